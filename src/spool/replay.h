#ifndef SPOOL_REPLAY_H
#define SPOOL_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/writer.h"
#include "util/err.h"

/*
 * replay: what an earlier runner of the same attempt has told. A runner that
 * takes the attempt up goes through the same steps again, and its commands
 * give the same output again from the first byte; what has been told already
 * is passed over, so that each event is there once.
 *
 * Output counts by bytes of each stream, for its pieces may be cut elsewhere;
 * other events by what they say, without how long it took.
 */
#define REPLAY_KEY 16
#define REPLAY_STEPS 8

struct replay {
	size_t output[STREAM_N]; /* bytes still to be passed over */
	size_t kept;             /* bytes of output told in all */
	bool truncated;          /* and that there is more */

	unsigned char (*keys)[REPLAY_KEY]; /* of the other events, in order */
	bool *used;
	size_t count, room, next;

	struct replay_step {
		char name[16];
		int64_t began_us; /* by the wall clock */
		int64_t took_ms;  /* -1: it has not ended */
	} steps[REPLAY_STEPS];
	size_t step_count;
};

/* Reads all whole lines in the folder. */
int replay_read(struct replay *r, int dirfd, struct err *e) MUST_CHECK;
void replay_clear(struct replay *r); /* takes a zeroed struct */

/* True if such an event has been told; it counts once. */
bool replay_told(struct replay *r, const char *kind, const char *data,
    size_t len);

#endif
