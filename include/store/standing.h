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
	 * Running, or waiting to be taken up again: an attempt that is
	 * pending may be revived by its runner, or resumed on its sandbox.
	 */
	STANDING_LIVE,
	STANDING_OVER, /* it has ended, or a newer one has begun */

	/*
	 * There is no such attempt (yet): its task was deleted, or this is a
	 * node that has not heard of it.
	 */
	STANDING_UNKNOWN
};

int standing_of(struct db *db, const struct hold *h, enum standing *s,
    struct err *e) MUST_CHECK;

#endif
