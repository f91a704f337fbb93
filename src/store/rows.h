#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/queue.h"

/*
 * rows: what the queues of tasks and of pull requests read alike.
 */

/* A copy of a column, with a NUL behind it; NULL reads as "". NULL: no memory.
 */
void *rows_copy(struct db_rows *rows, unsigned int i, size_t *len);

/*
 * user, tries, prompt, repository, branch, agent, key id, nonce, sealed: the
 * first nine columns, into c.
 */
int rows_claim(struct claim *c, struct db_rows *rows, struct err *e) MUST_CHECK;

/*
 * Ends rows of (task, attempt, wish to cancel); calls fn for each when all
 * are read, so that it may use the handle.
 */
int rows_owned(struct db_rows *rows, hold_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

#endif
