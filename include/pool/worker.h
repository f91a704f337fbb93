#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"
#include "pool/scoreboard.h"
#include "util/err.h"

/* Where a worker stands: what the master, or whoever, gives it. */
struct worker_place {
	int listen_fd;
	int lifeline_fd;          /* its end of file means "leave"; -1: none */
	struct scoreboard *board; /* never NULL */
	size_t slot;
};

struct worker_options {
	struct worker_place place;
	long max_requests;    /* +- 10 %; 0: never retires */
	size_t body_max;      /* bytes */
	int io_timeout_s;     /* for one read or write */
	const char *log_file; /* opened again on SIGUSR1; "" is none */

	void (*handle)(void *ctx, const struct http_request *rq,
	    struct http_response *rs);

	/* Given once, before the first request: tells whether the client is
	 * still there (F13). May be NULL. */
	void (*client_check)(void *ctx, bool (*there)(void *), void *there_ctx);
	void *ctx;
};

/*
 * worker: serves requests one at a time, in this process, until SIGTERM (the
 * request at work is finished, F1), the end of the lifeline, or the last of its
 * requests. Everything that needs exec, fork or a new privilege comes before:
 * the worker is confined. Returns 0 when it left in order.
 */
int worker_run(const struct worker_options *o, struct err *e) MUST_CHECK;

#endif
