#ifndef GITHUB_GITHUB_H
#define GITHUB_GITHUB_H

#include <stdbool.h>

#include "github/host.h"
#include "util/err.h"

/*
 * github: GitHub's REST API, also that of GitHub Enterprise Server: as much
 * of it as it takes to judge a token and to open a pull request.
 *
 *	github_new -> github_viewer/github_repo/... -> github_free
 *
 * Requires net_init(). Calls block, each for at most timeout_ms (github_repo
 * twice that if the repository was renamed, github_pull_create four times
 * when its answer is lost). A struct github belongs to one process and one
 * thread. Answers are bounded by GITHUB_ANSWER_MAX.
 *
 * Tokens are passed by call and go into one header. One that is empty, longer
 * than GITHUB_TOKEN_MAX or has other than printable ASCII characters is
 * HOST_BAD_TOKEN and is not sent.
 */

#define GITHUB_API_URL_DEFAULT "https://api.github.com"
#define GITHUB_TIMEOUT_MS 10000
#define GITHUB_ANSWER_MAX (1024 * 1024)
#define GITHUB_TOKEN_MAX 1024
#define GITHUB_API_URL_MAX 512

struct github_options {
	/* GITHUB_API_URL. NULL: the default. Enterprise Server has
	 * "https://HOST/api/v3". */
	const char *api_url;
	const char *ca_file; /* NULL: the system's */
	int timeout_ms;      /* of one request; 0: GITHUB_TIMEOUT_MS */
	bool allow_http;     /* also to others than loopback */
};

struct github;

/* ERR_INVALID as github_new(), without making anything. */
int github_api_check(const char *url, struct err *e) MUST_CHECK;

/*
 * Copies what it needs of o. ERR_INVALID when api_url is not https (or http,
 * which without allow_http reaches only this machine), has a user, query or
 * fragment, or is too long.
 */
int github_new(struct github **g, const struct github_options *o,
    struct err *e) MUST_CHECK;
void github_free(struct github *g); /* takes NULL */

/* Whose token it is, and its scopes where it has some. */
int github_viewer(struct github *g, const char *token, struct host_viewer *v,
    struct host_failure *f) MUST_CHECK;

/*
 * The repository. One redirect of a renamed one is followed, by hand and to
 * the same API only (U7). HOST_NOT_FOUND is also what a token gets that may
 * not see it.
 */
int github_repo(struct github *g, const struct host_place *at,
    struct host_repo *r, struct host_failure *f) MUST_CHECK;

/* Where branch points to. That it is absent is a success: !ref->found. */
int github_branch(struct github *g, const struct host_place *at,
    const char *branch, struct host_ref *ref,
    struct host_failure *f) MUST_CHECK;

/*
 * The pull request from w->head into w->base, if there is one: an open one
 * before others, else the newest. None is a success: !p->found.
 */
int github_pull_find(struct github *g, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p,
    struct host_failure *f) MUST_CHECK;

/*
 * Opens a pull request, or finds the open one that is there already, so it
 * may be called again after any failure. It looks itself when GitHub says
 * that there is one and when the answer was lost. Sent once, on a fresh
 * connection (U1). HOST_INVALID carries GitHub's words, such as "No commits
 * between main and claude-code-7".
 */
int github_pull_create(struct github *g, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p,
    struct host_failure *f) MUST_CHECK;

/*
 * What GitHub means when it refuses a push, read from what git printed.
 * HOST_FORBIDDEN when it is nothing we know.
 */
enum host_outcome github_push_refused(const char *text);

/*
 * Fills *h with the functions above, about g, which must outlive it. repo_host
 * is the host, with its port unless that is the usual one, whose repositories
 * this API knows. github.com has its API at api.github.com, a tenant of
 * GitHub's Enterprise Cloud with data residency, TENANT.ghe.com, at
 * api.TENANT.ghe.com, and Enterprise Server at HOST/api/v3 (GitHub's REST
 * documentation, "Getting started"). So a host that is merely called api.* is
 * its own.
 */
void github_as_host(struct github *g, struct code_host *h);

#endif
