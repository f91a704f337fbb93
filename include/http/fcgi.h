#ifndef HTTP_FCGI_H
#define HTTP_FCGI_H

#include <signal.h>
#include <stdbool.h>

#include "http/http.h"

/*
 * fcgi: FastCGI requests from a listening socket, one at a time, over libfcgi
 * (traps F1 to F22 are handled here and in pool/).
 *
 * A server holds several request slots, so that connections which nginx keeps
 * open (fastcgi_keep_conn, which our templates never set) do not starve a
 * prefork pool (F4).
 *
 *	fcgi_open -> (fcgi_wait -> use request, fill response -> fcgi_answer)*
 *	          -> fcgi_close
 */
struct fcgi;

struct fcgi_options {
	int listen_fd;             /* non-blocking from here on; 0 is fine */
	int lifeline_fd;           /* readable or closed: leave; -1: none */
	const sigset_t *idle_mask; /* signals let in only while idle (F1) */
	size_t body_max;           /* bytes of a request body */
	int io_timeout_s;          /* for one read or write on a connection */

	/* Called when a request begins to be read, and when it is answered:
	 * stamps of the scoreboard (F14). May be NULL. */
	void (*busy)(void *ctx);
	void (*idle)(void *ctx);
	void *ctx;
};

/*
 * The caller has blocked its signals and installed its handlers (SIGTERM and
 * SIGUSR1 among them, with SA_RESTART) before, or libfcgi puts its own there
 * (F1). Needs encode_init().
 */
int fcgi_open(struct fcgi **f, const struct fcgi_options *o,
    struct err *e) MUST_CHECK;

/* What fcgi_wait() came back with. */
enum fcgi_event {
	FCGI_REQUEST,  /* *rq is there: fcgi_answer() must follow */
	FCGI_ANSWERED, /* a request that was malformed; answered here already */
	FCGI_SIGNAL,   /* a signal came while idle: look at your flags */
	FCGI_LIFELINE, /* the one who started us is gone */
	FCGI_NOTHING   /* after fcgi_last_call(): that was all */
};

/*
 * Waits for the next request and reads all of it. Malformed ones (too large:
 * 413; too many parameters: 431; a body shorter than said, duplicate headers
 * that we use, a path that is not valid: 400) are answered in JSON, logged, and
 * reported as FCGI_ANSWERED. -1: the listener is broken, leave.
 */
int fcgi_wait(struct fcgi *f, enum fcgi_event *what,
    const struct http_request **rq, struct err *e) MUST_CHECK;

/*
 * For the one who is about to leave: from now on fcgi_wait() takes only what
 * is there already, and reports FCGI_NOTHING after the last of it. That is each
 * connection that was accepted and whose request is still on its way (it gets
 * two seconds), and with take_waiting also all that wait to be accepted.
 * Connections are not kept any more, and the lifeline is not looked at.
 */
void fcgi_last_call(struct fcgi *f, bool take_waiting);

/* False when the client has left already (F13). */
bool fcgi_client_there(const struct fcgi *f);

/*
 * Sends the answer. HEAD gets the headers with the length of the body only. -1:
 * the peer left or stalled; the request is over all the same.
 */
int fcgi_answer(struct fcgi *f, const struct http_response *rs,
    struct err *e) MUST_CHECK;

/* Status of the last answer, refusals by fcgi_wait() among them. */
int fcgi_status(const struct fcgi *f);

/* Closes kept connections and frees; the listener stays open. Takes NULL. */
void fcgi_close(struct fcgi *f);

#endif
