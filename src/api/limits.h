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

/*
 * How many of a user's calls may wait for GitHub at a time on this machine,
 * however many tokens he has and whether or not he waits for the answers: half
 * of the workers for it. *seat is for seat_leave() when the call is over.
 */
int limits_outbound(struct call *c, int *seat, struct err *e) MUST_CHECK;

#endif
