#ifndef STORE_LIVE_H
#define STORE_LIVE_H

#include "store/queue.h"

/*
 * live: the queue row of a task that has not ended, and how it ends. Only
 * inside a transaction; the row is its task's lock and comes first (M10).
 */
struct live {
	struct hold hold;
	bool running;
	bool cancel; /* its user wants it stopped */
	unsigned int tries;
	uint64_t last_seq;
};

/* Locks the row of this very attempt. Returns 1 with *l, 0 if there is none. */
int live_lock(struct db *db, const struct hold *h, struct live *l,
    struct err *e) MUST_CHECK;

/* "superseded", for when live_lock() found nothing. Always -1. */
int live_superseded(const struct hold *h, struct err *e);

/* How a task ends. */
struct ending {
	enum task_state state;
	enum failure failure;
	const char *error; /* NULL: none */
};

/*
 * Writes the state and the time of the end. Returns 1, or 0 when the task
 * itself is gone, with its user.
 */
int live_write_end(struct db *db, const struct live *l,
    const struct ending *end, struct err *e) MUST_CHECK;

/* The "end" event as seq, and away with the secret and the queue row. */
int live_remove(struct db *db, const struct live *l, uint64_t seq,
    const struct ending *end, struct err *e) MUST_CHECK;

/* All of an end that has no result: state, attempt, event, removal. */
int live_end(struct db *db, const struct live *l, const struct ending *end,
    struct err *e) MUST_CHECK;

/* Notes the end of an attempt that did not bring a result. */
int live_attempt_ended(struct db *db, const struct hold *h, const char *outcome,
    struct err *e) MUST_CHECK;

/*
 * Running again, by the owner of its last attempt; an event "revived" says so.
 * The guard: the same attempt, pending. Returns 1, or 0 when it is not.
 */
int live_revive(struct db *db, const struct hold *h, unsigned int lease_s,
    struct err *e) MUST_CHECK;

#endif
