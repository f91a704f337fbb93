#ifndef STORE_RATE_H
#define STORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * rate: counters over spans of RATE_WINDOW_S, in the database, so that they
 * count over all workers and machines.
 */
#define RATE_WINDOW_S 900

struct rate {
	const char *kind;   /* a literal of at most 20 characters */
	const uint8_t *key; /* 32 bytes: SHA-256 of what is counted */
	long limit;

	/*
	 * Beyond the limit one is let through now and then, with pauses that
	 * double with each ten up to RATE_PAUSE_MAX_S, instead of nobody until
	 * the window's end.
	 */
	bool eases;
};

#define RATE_PAUSE_MAX_S 64

/*
 * Counts one more. 1: within the limit; 0: it is not, and was not counted;
 * *wait_s says when it may work. -1: *e.
 */
int rate_take(struct db *db, const struct rate *r, unsigned int *wait_s,
    struct err *e) MUST_CHECK;

/* Takes one back that turned out not to count. */
int rate_give_back(struct db *db, const struct rate *r,
    struct err *e) MUST_CHECK;

/* Remembers a key for 30 days, and asks for it: 1, 0 or -1. */
int rate_know(struct db *db, const uint8_t key[32], struct err *e) MUST_CHECK;
int rate_known(struct db *db, const uint8_t key[32], struct err *e) MUST_CHECK;

#endif
