#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/queue.h"

/*
 * events: rows of task_events, numbered by whoever holds the lock on the
 * task's queue row (M9). Only inside a transaction.
 */

/* An event of the engine's own: kind and JSON. */
int event_add(struct db *db, const struct hold *h, uint64_t seq,
    const char *kind, const char *data, struct err *e) MUST_CHECK;

/* "end", the last one of every task. */
int event_add_end(struct db *db, const struct hold *h, uint64_t seq,
    enum task_state state, enum failure failure, struct err *e) MUST_CHECK;

/* n spool lines as seq first, first + 1, ... */
int event_add_lines(struct db *db, const struct hold *h, uint64_t first,
    const struct event_new *events, size_t n, struct err *e) MUST_CHECK;

/* The lines must follow shipped without a gap: else ERR_INVALID. */
int event_check_lines(const struct event_new *events, size_t n,
    uint64_t shipped, struct err *e) MUST_CHECK;

#endif
