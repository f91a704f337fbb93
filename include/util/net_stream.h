#ifndef UTIL_NET_STREAM_H
#define UTIL_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"
#include "util/net.h"

/*
 * net_stream: HTTP for a process that must not be deaf while it waits: answers
 * that come in pieces for minutes, next to short requests, and an end to all of
 * it at once when somebody asks for one (U6).
 *
 *	net_pool_new -> (net_pool_fetch | net_stream_open -> net_pool_wait*
 *	    -> net_stream_close)* -> net_pool_free
 *
 * A pool keeps connections between requests, and the certificates that they
 * were checked with. What net.h says of requests holds here as well. A pool
 * belongs to one process.
 */
struct net_pool;

int net_pool_new(struct net_pool **p, struct err *e) MUST_CHECK;
void net_pool_free(struct net_pool *p); /* after its streams; takes NULL */

/* What a wait looks at besides the network. */
struct net_watch {
	bool (*stop)(void *ctx); /* true ends the wait; NULL: never */
	void *ctx;

	/*
	 * A descriptor that becomes readable before stop() turns true; -1:
	 * stop() is asked every NET_TICK_MS instead.
	 */
	int wake_fd;
};

#define NET_TICK_MS 50

/*
 * net_fetch() with an ear open: ERR_RETRY, and rs->stopped set, when w->stop()
 * ended it. w may be NULL.
 */
int net_pool_fetch(struct net_pool *p, const struct net_request *rq,
    const struct net_watch *w, struct net_response *rs,
    struct err *e) MUST_CHECK;

/* Takes a piece of the body as it comes. -1 with *e ends the stream. */
typedef int net_take(void *ctx, const char *bytes, size_t len, struct err *e);

struct net_stream;

struct net_stream_request {
	struct net_request rq; /* timeout_ms does not count */
	net_take *take;
	void *ctx;
	int silence_s; /* after so long without a byte it has failed (U5) */
};

enum net_stream_state {
	NET_STREAM_OPEN, /* under way */
	NET_STREAM_DONE, /* the answer has come to its end */
	NET_STREAM_FAILED
};

/*
 * Begins a request over a connection of its own (U1). What rq points to must
 * live as long as the stream. take() gets the body of an answer with status
 * 200; that of any other goes to net_stream_answer(), up to rq.max_body.
 */
int net_stream_open(struct net_stream **s, struct net_pool *p,
    const struct net_stream_request *rq, struct err *e) MUST_CHECK;

/*
 * Lets every stream of the pool move, and waits at most limit_ms for
 * something to happen: on a stream, or on wake_fd (-1: none).
 */
int net_pool_wait(struct net_pool *p, int limit_ms, int wake_fd,
    struct err *e) MUST_CHECK;

/* Why it failed, in *e, for NET_STREAM_FAILED: also what take() said. */
enum net_stream_state net_stream_state(const struct net_stream *s,
    struct err *e);

/* Whole once the state is not NET_STREAM_OPEN. */
const struct net_response *net_stream_answer(const struct net_stream *s);

/* Ends it at once, wherever it is: its connection is closed. Takes NULL. */
void net_stream_close(struct net_stream *s);

#endif
