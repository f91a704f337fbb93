/* An attempt that could not begin: the account has no room for its sandbox. */
#include <stdio.h>
#include <string.h>

#include "engine/finish_defer.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/utf8.h"

#define MS_PER_S 1000

/* Not now; what the database said has been dealt with. */
static enum deferred
failed(struct engine *g, struct run *r, const struct err *e)
{
	run_rewind(r);
	link_failed(g, e, "defer");
	if (e->kind != ERR_RETRY)
		ship_fault(r, e, "defer");
	return DEFER_LATER;
}

static enum deferred
put_back(struct engine *g, struct run *r, const char *reason)
{
	char shown[QUEUE_REASON_MAX + 1];
	struct err e = { 0 };

	(void)snprintf(shown, sizeof(shown), "%.*s",
	    (int)utf8_whole(reason, strnlen(reason, QUEUE_REASON_MAX)), reason);
	if (queue_defer(g->db, &r->hold, shown, &e) == -1 &&
	    e.kind != ERR_CONFLICT)
		return failed(g, r, &e);
	link_worked(g, clock_mono_ms());
	log_line(LOG_INFO, "run deferred run=%s why=quota", r->name);
	return DEFER_DONE;
}

enum deferred
finish_defer(struct engine *g, struct run *r, const struct outcome *o)
{
	int64_t now_ms = clock_mono_ms(), waited_ms = 0;
	struct err e = { 0 };

	quota_refused(&g->quota, now_ms);
	if (ship_held(g, r) == -1)
		return DEFER_LATER;
	if (queue_waited_ms(g->db, &r->hold, &waited_ms, &e) == -1)
		return failed(g, r, &e);
	if (waited_ms >= g->config->e2b_quota_wait_s * MS_PER_S)
		return DEFER_FAILS;
	return put_back(g, r, o->result.error == NULL ? "" : o->result.error);
}
