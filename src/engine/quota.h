#ifndef ENGINE_QUOTA_H
#define ENGINE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/*
 * quota: what to do while the cloud account runs as many sandboxes as its plan
 * allows. A task that is refused one goes back into the queue; and as the
 * next one would be refused as well, nothing is claimed for a moment, and then
 * one task at a time until one is not refused. Pure; times are clock_mono_ms().
 */
struct quota {
	unsigned int refusals; /* in a row; 0: there is room */
	bool probing;          /* one has been claimed to see */
	int64_t until_ms;      /* nothing is claimed before */
};

/*
 * These pauses are all that is waited: a task that was refused may be tried
 * again as soon as anything may. With a delay of its own it would be passed by
 * those behind it whenever room comes while the delay lasts.
 */

/* Most tasks that may be claimed now, of at most most. */
unsigned int quota_room(struct quota *q, unsigned int most, int64_t now_ms);

/* One was claimed. */
void quota_claimed(struct quota *q, int64_t now_ms);

/* One was refused: a pause, which doubles with each in a row. */
#define QUOTA_PAUSE_MS 1000
#define QUOTA_PAUSE_MOST_MS 8000
#define QUOTA_PROBE_MS 3000 /* by then a refusal has come back */
void quota_refused(struct quota *q, int64_t now_ms);

/* A sandbox of ours has ended: there may be room at once. */
void quota_freed(struct quota *q, int64_t now_ms);

#endif
