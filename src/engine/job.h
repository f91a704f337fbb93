#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include "store/publish.h"
#include "store/queue.h"

/*
 * job: the two kinds of attempts, tasks and the pushes of pull requests, as far
 * as leases and losses go: which table they live in. All else is the same.
 */
struct job {
	bool ships; /* its events go into the database */
	int (*hold_state)(struct db *db, const struct hold *h,
	    enum hold_state *state, struct err *e);
	int (*renew)(struct db *db, const char *owner, const struct hold *h,
	    unsigned int lease_s, enum hold_state *state, struct err *e);
	int (*tries)(struct db *db, const struct hold *h, unsigned int *tries,
	    struct err *e);
	int (*give_back)(struct db *db, const struct hold *h,
	    unsigned int delay_ms, bool counts, const char *why, struct err *e);
};

const struct job *job_of(const struct hold *h);

#endif
