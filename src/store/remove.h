#ifndef STORE_REMOVE_H
#define STORE_REMOVE_H

#include "db/db.h"

/*
 * remove: tasks that go away with their project or their user.
 *
 * events, attempts, secrets and the queue have no foreign key, so that writing
 * them locks nothing else; here they are removed by hand. A runner whose queue
 * row is gone is superseded: its reaper finds out when it looks for its rows.
 */

/* Whose tasks. */
struct remove_scope {
	const char *user_id;
	int64_t project_id; /* 0: all of the user's */
};

/* Tasks that go in one transaction, so that none runs for minutes. */
#define REMOVE_AT_ONCE 50

/* Locks the user's row: he starts nothing meanwhile. 1, or 0: no such user. */
int remove_lock_user(struct db *db, const char *user_id,
    struct err *e) MUST_CHECK;

/*
 * Removes the oldest REMOVE_AT_ONCE tasks. Inside a transaction that has locked
 * the user. *rest: there may be more.
 */
int remove_tasks(struct db *db, const struct remove_scope *s, bool *rest,
    struct err *e) MUST_CHECK;

#endif
