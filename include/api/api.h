#ifndef API_API_H
#define API_API_H

#include "config/config.h"
#include "http/http.h"
#include "pool/pool.h"
#include "util/err.h"

/*
 * api: every endpoint of ours, behind one call. Talks to MariaDB and, in the
 * part that serves it, to GitHub; to nobody else (design, invariant 2). One per
 * worker process; made after the fork; connects to the database by its first
 * request.
 */
struct api;

/* cfg and board are borrowed for as long as the api lives; board may be NULL.
 */
int api_new(struct api **api, const struct config *cfg,
    struct scoreboard *board, struct err *e) MUST_CHECK;

/*
 * Which requests of the table this process serves: all of them, those that
 * talk to the database alone, or those that call GitHub (design: the slow
 * pool). The others are answered with 421. API_ALL until it is said.
 */
enum api_part {
	API_ALL,
	API_MAIN,
	API_OUTBOUND
};

void api_take_part(struct api *api, enum api_part part);

/*
 * Answers rq into rs, which was reset. Cannot fail: what goes wrong inside is
 * an answer too, and a line in the log.
 */
void api_handle(struct api *api, const struct http_request *rq,
    struct http_response *rs);

/*
 * Asks whether the client is still there, before work that costs (F13).
 * NULL: not known, taken as yes.
 */
void api_set_client_check(struct api *api, bool (*there)(void *ctx), void *ctx);

void api_free(struct api *api); /* takes NULL */

#endif
