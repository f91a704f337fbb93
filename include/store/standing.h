#ifndef STORE_STANDING_H
#define STORE_STANDING_H

#include "db/db.h"
#include "store/queue.h"

/*
 * standing: whether an attempt may still own something outside, a sandbox, as
 * far as the database knows. Reads only, and locks nothing.
 */
enum standing {
	/*
	 * Running, or waiting because its machine was silent: then it may be
	 * revived by its runner, or resumed on its sandbox.
	 */
	STANDING_LIVE,

	/*
	 * It has ended, a newer one has begun, or its own reaper has put its
	 * task back into the queue, which it does with dead ones only.
	 */
	STANDING_OVER,

	/*
	 * There is no such attempt (yet): its task was deleted, or this is a
	 * node that has not heard of it.
	 */
	STANDING_UNKNOWN
};

int standing_of(struct db *db, const struct hold *h, enum standing *s,
    struct err *e) MUST_CHECK;

#endif
