#ifndef ENGINE_TIMER_H
#define ENGINE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * timer: something that is due again and again. Times are clock_mono_ms().
 * A zeroed timer is due at once.
 */
struct timer {
	int64_t at_ms;
};

bool timer_due(const struct timer *t, int64_t now_ms);

/* Due again in every_ms; jittered by up to 20 % to either side. */
void timer_set(struct timer *t, int64_t now_ms, int64_t every_ms);
void timer_set_jittered(struct timer *t, int64_t now_ms, int64_t every_ms);

/* The earlier of until_ms and t. */
int64_t timer_earlier(int64_t until_ms, const struct timer *t);

/* every_ms, 20 % up or down at random, so that machines do not march in step.
 */
int64_t jittered(int64_t every_ms);

/* Waits that double up to most_ms while something keeps failing. */
struct backoff {
	int64_t until_ms; /* 0: all is well */
	int64_t wait_ms;
	int64_t most_ms; /* 0: BACKOFF_MOST_MS */
};

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS 5000

void backoff_fail(struct backoff *b, int64_t now_ms);
void backoff_ok(struct backoff *b);
bool backoff_over(const struct backoff *b, int64_t now_ms);

#endif
