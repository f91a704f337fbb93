#ifndef API_TRIES_H
#define API_TRIES_H

#include "api/account.h"
#include "store/rate.h"

/*
 * tries: how often somebody may try to sign in. All is counted by the name that
 * was typed, whether an account has it or not, so that the limits tell nobody
 * which accounts there are.
 *
 *	tries_take -> (the password is right) tries_know, tries_give_back
 *
 * A browser that has signed in to this account before has limits of its own:
 * nothing that strangers do keeps it out. An address that it was done from is
 * known as well, but somebody else may share it: there only the failures at
 * this very account count against it. Strangers are counted by both of that, by
 * address alone, and by account alone; the last two slow them down when they
 * are over and shut nobody out.
 */
enum counted {
	BY_DEVICE, /* account and browser */
	BY_PAIR,   /* account and address */
	BY_ADDRESS,
	BY_ACCOUNT,
	COUNTED_N
};

struct tries {
	uint8_t keys[COUNTED_N][SHA256_BYTES];
	struct rate rates[COUNTED_N];
	bool taken[COUNTED_N];
	bool known; /* the browser or the address, to this account */
};

/* Counts a try before it is judged, so that many at once are counted too. 0: go
 * on; 1: answered with 429. */
int tries_take(struct call *c, const struct credentials *in, struct tries *t,
    struct err *e) MUST_CHECK;

/* It turned out not to be a failure. */
int tries_give_back(struct call *c, const struct tries *t,
    struct err *e) MUST_CHECK;

/* Knows the browser, which gets a cookie for it, and the address from now on.
 */
int tries_know(struct call *c, const struct credentials *in,
    struct err *e) MUST_CHECK;

#endif
