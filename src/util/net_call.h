#ifndef UTIL_NET_CALL_H
#define UTIL_NET_CALL_H

#include <curl/curl.h>

#include "util/net.h"
#include "util/net_trust.h"

/*
 * net_call: one request, translated for libcurl, and its answer translated
 * back. Private to net and net_stream, which differ in how they wait.
 *
 *	net_call_open -> (perform) -> net_call_done -> net_call_close
 */
#define NET_HOST_MAX 256
#define NET_ENDLESS (-1) /* timeout_ms of a stream, which has other limits */

struct net_call {
	const struct net_request *rq;
	struct net_response *rs;
	CURL *curl; /* borrowed */
	CURLU *url;
	struct curl_slist *headers;
	X509_STORE *trust;       /* NULL: libcurl's own care */
	char host[NET_HOST_MAX]; /* for texts */
	bool http;
	bool too_large;
	bool forbidden; /* the name led to an address that may not be */
};

/*
 * Prepares curl for rq, whose body goes to rs. rq and rs must live until
 * net_call_close(), which is to be called in any case.
 */
int net_call_open(struct net_call *c, CURL *curl, const struct net_request *rq,
    struct net_response *rs, struct err *e) MUST_CHECK;

/* Fills rs from what came of it. -1 with *e unless rc is CURLE_OK. */
int net_call_done(struct net_call *c, CURLcode rc, struct err *e) MUST_CHECK;

/* Leaves curl blank; its connections stay. */
void net_call_close(struct net_call *c);

#endif
