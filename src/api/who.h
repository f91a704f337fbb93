#ifndef API_WHO_H
#define API_WHO_H

#include "api/call.h"

/*
 * who: whose request it is, for every endpoint marked "auth" (contract 2.2):
 * an access token, or a personal API token. Sets c->user_id.
 */
int who_asks(struct call *c, struct err *e) MUST_CHECK;

#endif
