#ifndef GITHUB_REQUEST_H
#define GITHUB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "github/github.h"
#include "util/buf.h"
#include "util/net.h"

/*
 * request: one request to the API and its answer.
 */

struct github {
	struct net *net;
	char api[GITHUB_API_URL_MAX + 1]; /* no slash at its end */
	char repo_host[GITHUB_API_URL_MAX + 1];
	char *ca_file;
	int timeout_ms;
	bool allow_http;
};

struct ask {
	const char *method;
	const char *token;
	const struct buf *url;  /* absolute */
	const struct buf *body; /* JSON; NULL: none */
};

#define URL_MAX 4096

/* "<api>/repos/<owner>/<name>", refusing what is not a name. */
int request_repo_url(struct buf *url, const struct github *g,
    const struct host_place *at, struct host_failure *f) MUST_CHECK;

/* Appends text, percent-encoded but for what needs none, and keep. */
void request_escape(struct buf *url, const char *text, const char *keep);

/*
 * Sends a. 0: an answer with any status, in rs. -1: there is none. *rs is to be
 * cleared in any case.
 */
int request_send(struct github *g, const struct ask *a, struct net_response *rs,
    struct host_failure *f) MUST_CHECK;

/* Fills *f after an answer that is no success. Returns -1. */
int request_refused(const struct ask *a, const struct net_response *rs,
    struct host_failure *f);

/* Fills *f from an error of ours or of reading an answer. Returns -1. */
int request_failed(struct host_failure *f, const struct err *e);

/* The scopes that an answer names; false if it names none. */
bool request_scopes(const struct net_response *rs, const char **scopes);

#endif
