#ifndef API_PROVIDER_H
#define API_PROVIDER_H

#include "api/call.h"

/*
 * provider: the identity provider as this worker knows it: its secret, or its
 * key set, which is read again when the file has changed. Fetching is not a
 * worker's business: a worker that meets an unknown key says so to "taskmill
 * jwks" with an empty datagram, and refuses.
 */
struct provider;

/* *p is NULL when no provider is set up. A key set that is not there yet, or is
 * none, is logged and looked for again. */
int provider_new(struct provider **p, const struct config *cfg,
    struct err *e) MUST_CHECK;
void provider_free(struct provider *p); /* takes NULL */

/* The user whose token this is, in c->user_id. */
int provider_user(struct call *c, const struct jwt_text *token,
    struct err *e) MUST_CHECK;

#endif
