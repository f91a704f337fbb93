#ifndef ENGINE_OUTCOME_H
#define ENGINE_OUTCOME_H

#include "config/config.h"
#include "spool/spool.h"
#include "store/queue.h"

/*
 * outcome: a spool's result as the database takes it.
 */
struct outcome {
	struct spool_result from; /* owns what result borrows */
	struct task_result result;
	struct buf cut; /* the diff, when it had to be cut */
	char text[256]; /* our own error text */
};

/*
 * Reads the result in folder dirfd. What one packet of max_packet bytes (0:
 * not known) cannot hold is cut with a marker (the diff, which is for eyes),
 * or fails the task clearly (the patch, of which a part is worth nothing).
 */
int outcome_read(struct outcome *o, int dirfd, const struct config *c,
    uint64_t max_packet, struct err *e) MUST_CHECK;
void outcome_clear(struct outcome *o); /* takes a zeroed struct */

#endif
