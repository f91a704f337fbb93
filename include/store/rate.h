#ifndef STORE_RATE_H
#define STORE_RATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * rate: how often something happened within the last RATE_WINDOW_S, in the
 * database, so that it counts over all workers and machines.
 *
 * Two counters make the sliding span: that of the window that is now, and of
 * the one before as much as the span still reaches into it. So there is no edge
 * at which twice the limit could pass.
 */
#define RATE_WINDOW_S 900
#define RATE_NO_LIMIT LONG_MAX /* counts, and refuses nobody */

struct rate {
	const char *kind;   /* a literal of at most 20 characters */
	const uint8_t *key; /* 32 bytes: SHA-256 of what is counted */
	long limit;

	/*
	 * Beyond the limit one is let through now and then, with pauses that
	 * double with each ten up to RATE_PAUSE_MAX_S, instead of nobody until
	 * enough are old.
	 */
	bool eases;

	char window[20]; /* the one that rate_take() counted in */
};

#define RATE_PAUSE_MAX_S 64

/*
 * Counts one more. 1: within the limit; 0: it is not, and was not counted;
 * *wait_s says when it may work. -1: *e.
 */
int rate_take(struct db *db, struct rate *r, unsigned int *wait_s,
    struct err *e) MUST_CHECK;

/* Takes one back, that rate_take() counted and that turned out not to count. */
int rate_give_back(struct db *db, const struct rate *r,
    struct err *e) MUST_CHECK;

/* Remembers a key for 30 days, and asks for it: 1, 0 or -1. */
int rate_know(struct db *db, const uint8_t key[32], struct err *e) MUST_CHECK;
int rate_known(struct db *db, const uint8_t key[32], struct err *e) MUST_CHECK;

#endif
