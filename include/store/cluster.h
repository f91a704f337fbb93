#ifndef STORE_CLUSTER_H
#define STORE_CLUSTER_H

#include <stdint.h>

#include "db/db.h"

/*
 * cluster: what one machine needs to know about the database's clock and about
 * its neighbours, before it dares to judge a lease.
 */

/* The database's clock, microseconds since 2000, UTC. */
int cluster_clock_us(struct db *db, int64_t *us, struct err *e) MUST_CHECK;

/* Machines other than id whose reaper was seen within fresh_s. */
int cluster_others(struct db *db, const char *id, unsigned int fresh_s,
    int64_t *count, struct err *e) MUST_CHECK;

#endif
