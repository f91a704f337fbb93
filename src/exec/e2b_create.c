/*
 * e2b: a sandbox without leaks (reliability 9). Nothing that may have been
 * made is made again before a search has shown that it was not (E5).
 */
#include <stdio.h>
#include <string.h>

#include "exec/e2b.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/fault.h"
#include "util/log.h"

#define QUOTA_EVERY_MS 5000
#define WAIT_MOST_MS 60000

struct making {
	struct e2b *b;
	unsigned int life_s;
	char nonce[E2B_NONCE];
	unsigned int tries;
	int64_t began_ms;
	enum e2b_trouble told; /* what the user has been told to wait for */
};

static void
new_nonce(struct making *m)
{
	unsigned char bytes[(E2B_NONCE - 1) / 2];

	random_fill(bytes, sizeof(bytes));
	encode_hex(m->nonce, bytes, sizeof(bytes));
}

/* Before it is asked for: from now on there may be one. */
static int
remember_nonce(const struct making *m, struct err *e)
{
	struct e2b *b = m->b;

	b->memo = (struct memo){ .began_us = clock_wall_us() };
	(void)snprintf(b->memo.nonce, sizeof(b->memo.nonce), "%s", m->nonce);
	return e2b_remember(b, e);
}

int
e2b_search(struct e2b *b, const char *nonce, int64_t limit_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + limit_ms, last = until;

	if (!b->closing)
		last += (int64_t)b->set->busy_wait_s * 1000;

	log_line(LOG_WARN, "e2b create outcome=unknown nonce=%s", nonce);
	for (unsigned int i = 2;; i++) {
		if (!e2b_pause(b, e2b_backoff_ms(i)))
			return e2b_fail(b, E2B_STOPPED, "", e);
		if (e2b_find(b, nonce, e) == 0)
			return 0;
		b->dead = false; /* one that is gone is none of this attempt */
		b->id[0] = '\0';
		if (b->trouble == E2B_STOPPED ||
		    clock_mono_ms() >=
			(e2b_trouble_passes(b->trouble) ? last : until))
			return -1;
	}
}

/* How long to wait before the next try; -1: long enough. */
static int64_t
next_wait_ms(const struct making *m, int retry_after_s)
{
	const struct sandbox_e2b *s = m->b->set;
	bool quota = m->b->trouble == E2B_QUOTA;
	int64_t most = (int64_t)(quota ? s->quota_wait_s : s->busy_wait_s);
	int64_t left = m->began_ms + most * 1000 - clock_mono_ms();
	int64_t wait = quota ? QUOTA_EVERY_MS : 4 * e2b_backoff_ms(m->tries);

	if (left <= 0)
		return -1;
	if (retry_after_s >= 0) {
		wait = (int64_t)retry_after_s * 1000;
		return wait > left ? -1 : wait;
	}
	if (wait > WAIT_MOST_MS)
		wait = WAIT_MOST_MS;
	return wait < left ? wait : left;
}

/* After a failure: 1 try again, -1 it is final. */
static int
wait_turn(struct making *m, int retry_after_s, struct err *e)
{
	struct err why = *e;
	int64_t ms;

	if (!e2b_trouble_passes(m->b->trouble))
		return -1;
	ms = next_wait_ms(m, retry_after_s);
	m->tries++;
	if (ms == -1)
		return -1;
	if (e2b_tell(m->b, &m->told, e) == -1)
		return -1;
	*e = why;
	if (!e2b_pause(m->b, ms))
		return e2b_fail(m->b, E2B_STOPPED, "", e);
	return 1;
}

/*
 * Nobody knows whether there is one now. 0: there is; or it does not matter
 * any more, and close() will see to it. 1: there is none. -1: no way to tell.
 */
static int
make_clear(struct making *m, struct err *e)
{
	enum e2b_trouble t = m->b->trouble;
	char said[E2B_SAID_MAX];
	struct err found = { 0 };

	memcpy(said, m->b->said, sizeof(said));
	m->b->id[0] = '\0';
	if (t != E2B_STOPPED) {
		/* Creating can take long on the other side: as long as this. */
		if (e2b_search(m->b, m->nonce,
			(int64_t)m->b->set->create_limit_s * 1000, &found) == 0)
			return 0;
		if (found.kind == ERR_ABSENT) {
			(void)e2b_fail(m->b, t, said, e);
			return 1;
		}
	}
	if (m->b->trouble != E2B_STOPPED) {
		*e = found;
		return -1;
	}
	memcpy(m->b->unborn, m->nonce, sizeof(m->b->unborn));
	return 0;
}

/* One round: 0 there is one, 1 again, -1 final. */
static int
try_once(struct making *m, struct err *e)
{
	bool unclear = false;
	int retry_after_s = -1, rc = 1;

	new_nonce(m);
	if (remember_nonce(m, e) == -1)
		return -1;
	FAULT_POINT("e2b.before_post");
	if (e2b_make(m->b, m->nonce, m->life_s, &retry_after_s, &unclear, e) ==
	    0)
		return 0;
	if (unclear)
		rc = make_clear(m, e);
	return rc == 1 ? wait_turn(m, retry_after_s, e) : rc;
}

int
e2b_create(struct e2b *b, unsigned int life_s, struct err *e)
{
	struct making m = { .b = b,
		.life_s = life_s,
		.began_ms = clock_mono_ms(),
		.told = E2B_FINE };
	int64_t asked;
	int rc;

	if (e2b_end_older(b, e) == -1)
		return -1;
	do {
		asked = clock_mono_ms();
		rc = try_once(&m, e);
	} while (rc == 1);
	b->ends_ms = asked + (int64_t)life_s * 1000;
	FAULT_POINT("e2b.after_post");
	return rc == 0 ? e2b_remember(b, e) : -1;
}
