/* e2b: ends a command and all that it has started. */
#include <stdio.h>

#include "exec/e2b_process.h"
#include "util/clock.h"
#include "util/log.h"

#define KILL_LIMIT_MS 10000 /* on a very busy machine */
#define HURRY_LIMIT_MS 3000 /* a cancelled runner is soon killed itself */

/* Runs "e2b-run kill", and waits for its end. */
static int
run_kill(struct e2b *b, const char *folder, int64_t limit_ms, struct err *e)
{
	const char *const argv[] = { "/bin/sh", E2B_RUN_SCRIPT, "kill", folder,
		NULL };
	struct e2b_process k = { .b = b, .tag = "taskmill-kill" };
	int64_t until = clock_mono_ms() + limit_ms, left;
	enum net_stream_state state = NET_STREAM_OPEN;
	int rc = -1;

	if (e2b_process_start(&k, argv, NULL, "/", e) == -1)
		return -1;
	while (state == NET_STREAM_OPEN && !k.over &&
	    (left = until - clock_mono_ms()) > 0) {
		if (net_pool_wait(b->pool, (int)left, -1, e) == -1)
			break;
		state = net_stream_state(k.stream, e);
	}
	if (k.over && k.error[0] == '\0')
		rc = 0;
	else
		(void)err_set(e, ERR_RETRY, "a command could not be killed");
	e2b_process_leave(&k);
	return rc;
}

void
e2b_kill_tree(struct e2b *b, const char *folder)
{
	bool closing = b->closing; /* set when a wish to stop was heard */
	int64_t limit_ms =
	    closing || e2b_stopped(b) ? HURRY_LIMIT_MS : KILL_LIMIT_MS;
	struct err e = { 0 };

	b->closing = true;       /* a wish to stop must not stop this, */
	b->hurry_ms = INT64_MAX; /* nor a time that is over */
	if (!b->dead && run_kill(b, folder, limit_ms, &e) == -1) {
		log_err(LOG_WARN, &e, "e2b sandbox=%s", b->id);
		if (e2b_kill(b, &e) == -1)
			log_err(LOG_WARN, &e, "e2b sandbox=%s", b->id);
		b->dead = true; /* of no use any more; close() tries again */
	}
	b->closing = closing; /* a run may go on after one of its commands */
}
