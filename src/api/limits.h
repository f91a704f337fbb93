#ifndef API_LIMITS_H
#define API_LIMITS_H

#include "api/call.h"

/*
 * limits: how often one user may have something done that costs (contract D4),
 * within the last RATE_WINDOW_S, over all workers and machines. What polls is
 * never counted.
 *
 * 0: go on; 1: answered with 429; -1: *e.
 */

/* c->user_id once more; kind as in struct rate. */
int limits_user(struct call *c, const char *kind, long limit,
    struct err *e) MUST_CHECK;

/* The same for what c->route has done. */
int limits_route(struct call *c, struct err *e) MUST_CHECK;

#endif
