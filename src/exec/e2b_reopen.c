/*
 * e2b: a sandbox that a process before us had, and that lives on (reliability
 * 8). Its commands are in folders with numbers, so going through the same
 * commands again finds each where it was left: see e2b_run.c.
 */
#include <stdio.h>
#include <string.h>

#include "exec/e2b.h"
#include "util/clock.h"
#include "util/log.h"

int
e2b_remember(struct e2b *b, struct err *e)
{
	const struct sandbox_host *h = b->host;

	_Static_assert(MEMO_ID >= E2B_ID_MAX && MEMO_NONCE == E2B_NONCE,
	    "what a memo has room for");
	memcpy(b->memo.id, b->id, sizeof(b->id));
	b->memo.v1 = b->v1;
	return h->remember == NULL ? 0 : h->remember(h->ctx, &b->memo, e);
}

void
e2b_forget(struct e2b *b)
{
	const struct sandbox_host *h = b->host;
	struct err e = { 0 };

	if (h->remember != NULL && h->remember(h->ctx, NULL, &e) == -1)
		log_err(LOG_WARN, &e, "e2b sandbox=%s", b->memo.id);
}

/* It is gone. Another attempt may do better. */
static int
give_up(struct e2b *b, struct err *e)
{
	struct err why = *e;

	e2b_forget(b);
	b->host->failure = NULL;
	return err_set(e, ERR_RETRY, "%s", why.text);
}

/* By its id; 0 when it answers, paused before or not. */
static int
find_it(struct e2b *b, const struct memo *m, unsigned int life_s, struct err *e)
{
	int64_t until = clock_mono_ms() + (int64_t)b->set->busy_wait_s * 1000;

	memcpy(b->id, m->id, sizeof(b->id));
	for (unsigned int i = 0; e2b_wake(b, life_s, e) == -1; i++) {
		int64_t wait_ms = e2b_wait_ms(b, i, until);

		if (!e2b_trouble_passes(b->trouble) || wait_ms == -1)
			return -1;
		if (!e2b_pause(b, wait_ms))
			return e2b_fail(b, E2B_STOPPED, "", e);
	}
	return 0;
}

/* How long it may still take until it shows, if it was asked for at all. */
static int64_t
search_ms(const struct e2b *b, const struct memo *m)
{
	int64_t limit_ms = (int64_t)b->set->create_limit_s * 1000;
	int64_t gone_ms = (clock_wall_us() - m->began_us) / 1000;

	if (gone_ms < 0)
		return limit_ms;
	return gone_ms >= limit_ms ? 0 : limit_ms - gone_ms;
}

/* By its nonce. 0: it was made; 1: it was not; -1: nobody knows. */
static int
search_it(struct e2b *b, const struct memo *m, unsigned int life_s,
    struct err *e)
{
	if (e2b_search(b, m->nonce, search_ms(b, m), e) == 0)
		return e2b_renew(b, life_s, e);
	if (e->kind == ERR_ABSENT)
		return 1;
	memcpy(b->unborn, m->nonce, sizeof(b->unborn)); /* close() looks */
	return -1;
}

int
e2b_reopen(struct e2b *b, const struct memo *m, unsigned int life_s,
    struct err *e)
{
	int64_t asked = clock_mono_ms(), gone_us;
	int rc;

	b->memo = *m;
	b->v1 = m->v1;
	if (m->id[0] == '\0') {
		rc = search_it(b, m, life_s, e);
		if (rc == 1)
			return e2b_create(b, life_s, e);
	} else {
		rc = find_it(b, m, life_s, e);
	}
	if (rc == -1)
		return b->dead ? give_up(b, e) : -1;
	gone_us = clock_wall_us() - m->began_us;
	b->known_runs = m->runs;
	b->known_us = gone_us > 0 ? gone_us : 0;
	b->ends_ms = asked + (int64_t)life_s * 1000;
	return e2b_remember(b, e);
}
