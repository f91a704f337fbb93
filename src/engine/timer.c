#include "engine/timer.h"

#include "util/encode.h"

bool
timer_due(const struct timer *t, int64_t now_ms)
{
	return t->at_ms <= now_ms;
}

void
timer_set(struct timer *t, int64_t now_ms, int64_t every_ms)
{
	t->at_ms = now_ms + every_ms;
}

void
timer_set_jittered(struct timer *t, int64_t now_ms, int64_t every_ms)
{
	t->at_ms = now_ms + jittered(every_ms);
}

int64_t
timer_earlier(int64_t until_ms, const struct timer *t)
{
	return t->at_ms < until_ms ? t->at_ms : until_ms;
}

int64_t
jittered(int64_t every_ms)
{
	uint32_t random;

	random_fill(&random, sizeof(random));
	return every_ms * 8 / 10 +
	    every_ms * 4 / 10 * (int64_t)(random % 1001) / 1000;
}

void
backoff_fail(struct backoff *b, int64_t now_ms)
{
	int64_t most_ms = b->most_ms == 0 ? BACKOFF_MOST_MS : b->most_ms;

	if (b->wait_ms == 0)
		b->wait_ms = BACKOFF_FIRST_MS;
	b->until_ms = now_ms + jittered(b->wait_ms);
	b->wait_ms *= 2;
	if (b->wait_ms > most_ms)
		b->wait_ms = most_ms;
}

void
backoff_ok(struct backoff *b)
{
	b->until_ms = 0;
	b->wait_ms = 0;
}

bool
backoff_over(const struct backoff *b, int64_t now_ms)
{
	return b->until_ms <= now_ms;
}
