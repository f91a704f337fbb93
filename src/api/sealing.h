#ifndef API_SEALING_H
#define API_SEALING_H

#include "api/call.h"

/*
 * sealing: a user's credential on its way into a row that only the reaper can
 * read (auth/seal.h).
 */
struct sealing {
	const char *key_id; /* the process's */
	struct seal_owner owner;
	struct buf sealed;
};

/* Seals secret for the user of this call. sealing_clear() it in any case. */
int sealing_make(struct sealing *s, struct call *c, const char *secret,
    struct err *e) MUST_CHECK;
void sealing_clear(struct sealing *s); /* takes a zeroed struct */

#endif
