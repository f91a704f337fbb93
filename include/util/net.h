#ifndef UTIL_NET_H
#define UTIL_NET_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * net: one HTTP request at a time, bounded in time and size, and its answer.
 *
 *	net_init -> net_new -> net_fetch* -> net_free -> net_end
 *
 * The peer is checked by TLS, always; there is no way to turn that off (U15).
 * Redirects are not followed: with them keys would go to strangers (U7), so a
 * 3xx is an answer like others. Proxies in the environment, .netrc and
 * compression are not used (U4, U9). The process must ignore SIGPIPE (U11).
 * A struct net belongs to one process: make a new one after fork (U13).
 */

#define NET_TIMEOUT_MS 30000
#define NET_CONNECT_MS 10000
#define NET_LOCATION_MAX 2048
#define NET_TYPE_MAX 128
#define NET_WANT_MAX 8
#define NET_WANTED_MAX 512

/* Once in each process, before any thread. */
int net_init(struct err *e) MUST_CHECK;
void net_end(void);

/*
 * Does once what a first request over TLS would do in each process that is
 * forked from this one, so that they share its memory: loads the libraries'
 * tables, and the certificates of ca_file (NULL: the system's), again only when
 * they have changed. No connection is made. 1: something was loaded; 0: all was
 * there. ERR_BROKEN: the file cannot be read; requests will say so too.
 */
int net_warm(const char *ca_file, struct err *e) MUST_CHECK;

struct net;

int net_new(struct net **n, struct err *e) MUST_CHECK;
void net_free(struct net *n); /* takes NULL */

struct net_request {
	const char *method; /* "GET"; in capitals */
	const char *url;    /* https, or http as below */

	/* "Name: value", NULL last; NULL: none. May hold secrets. */
	const char *const *headers;

	/* NULL: none. POST, PUT and PATCH then send an empty one. */
	const char *body;
	size_t body_len;

	/* Names of up to NET_WANT_MAX headers of the answer that are to be
	 * kept, NULL last; NULL: none. */
	const char *const *want;

	size_t max_body; /* of the answer; more is ERR_BROKEN */

	/* What this asks for may happen twice: any connection will do. */
	bool repeatable;

	int timeout_ms; /* for all of it; 0: NET_TIMEOUT_MS */

	/* NULL: the system's. Always the same for one struct net: a connection
	 * that is there is used again without another look. */
	const char *ca_file;
	const char *proxy; /* NULL: none, whatever the environment says */

	/* http to others than this machine's loopback addresses. */
	bool allow_http;

	/*
	 * The host came from a user: refuse addresses that are not public,
	 * whatever name leads to them, also later (U10). A proxy connects by
	 * itself: with one it is the proxy that has to look.
	 */
	bool public_only;
};

struct net_response {
	int status;                      /* 200, 404, ... */
	int retry_after_s;               /* -1: not said */
	char location[NET_LOCATION_MAX]; /* "": not said, or too long */
	char content_type[NET_TYPE_MAX]; /* likewise */

	/* As wanted, in that order. has_wanted tells a header without a value
	 * from none; one that is too long counts as none, but for long_wanted.
	 */
	char wanted[NET_WANT_MAX][NET_WANTED_MAX];
	bool has_wanted[NET_WANT_MAX], long_wanted[NET_WANT_MAX];
	struct buf body;

	/*
	 * After a failure: the request may have reached the peer, so what it
	 * asks for may have been done.
	 */
	bool sent;
	bool timed_out; /* the failure was that time ran out */
	bool stopped;   /* somebody asked for an end (net_stream.h) */
};

/*
 * Sends rq and waits for the whole answer. Any HTTP status is a success
 * (U16). ERR_INVALID: the request is not allowed. ERR_RETRY: network or time.
 * ERR_BROKEN: a certificate that does not fit, or an answer that is too large
 * or no HTTP. Texts name the host and never a header or a query.
 *
 * Anything but GET and HEAD goes over a fresh connection and only once, unless
 * it is repeatable: libcurl repeats on its own what it sent over a reused one
 * (U1). An answer
 * without a length may be cut without notice: look whether the body is
 * complete in itself (U2).
 *
 * rs need not be prepared; net_response_clear() it in any case.
 */
int net_fetch(struct net *n, const struct net_request *rq,
    struct net_response *rs, struct err *e) MUST_CHECK;

/* Frees the body. Takes a zeroed struct. */
void net_response_clear(struct net_response *rs);

#endif
