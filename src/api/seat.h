#ifndef API_SEAT_H
#define API_SEAT_H

#include "util/err.h"

/*
 * seat: how many processes of this machine may do one costly thing at a time.
 *
 * A seat is a lock file, STATE_DIR/<what>.<n>.lock, and not a counter in
 * shared memory: a worker that is killed while it sits gives its seat back at
 * that moment, and workers that share no memory (started by a web server)
 * are counted all the same.
 */

struct seats {
	const char *state_dir;
	const char *what; /* a literal */
	long count;
	long standing; /* how many more may wait for one */
	int wait_ms;   /* and for how long */
};

/*
 * Takes a seat, or waits for one where there is still room to stand. Returns a
 * descriptor to be given to seat_leave(); -2 when there is no place, or none
 * became free; -1 with *e for a fault.
 */
int seat_take(const struct seats *s, struct err *e) MUST_CHECK;

/*
 * The same out of the count that this user has to himself; nobody stands. All
 * of them are bytes of one file, STATE_DIR/<what>.lock, which stays empty.
 */
int seat_take_own(const struct seats *s, const char *user_id,
    struct err *e) MUST_CHECK;
void seat_leave(int fd); /* takes -1 */

#endif
