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

	/*
	 * It is no end: there was no room for its sandbox, and the task is to
	 * be tried again. result is what it becomes when that went on for
	 * too long.
	 */
	bool deferred;
};

/* ERR_BROKEN: it is not one. */
int outcome_read(struct outcome *o, int dirfd, const struct config *c,
    struct err *e) MUST_CHECK;
void outcome_clear(struct outcome *o); /* takes a zeroed struct */

#endif
