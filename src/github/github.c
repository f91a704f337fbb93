#include "github/github.h"

#include <stdlib.h>
#include <string.h>

#include "github/read.h"
#include "github/request.h"

#define API_LABEL "api."
#define TENANTS ".ghe.com"

/* "api.TENANT.ghe.com": one name, and that of no other host's end. */
static bool
is_tenant(const char *host)
{
	size_t len;

	if (strncmp(host, API_LABEL, strlen(API_LABEL)) != 0)
		return false;
	host += strlen(API_LABEL);
	len = strcspn(host, ".");
	return len > 0 && strcmp(host + len, TENANTS) == 0;
}

/* From g->api, which is in lower case as far as this goes. */
static void
set_repo_host(struct github *g)
{
	bool plain = strncmp(g->api, "http://", 7) == 0;
	const char *host = strstr(g->api, "://") + 3;
	const char *usual = plain ? ":80" : ":443";
	size_t len = strcspn(host, "/"), port = strlen(usual);
	char *own = g->repo_host;

	if (len > port && strncmp(host + len - port, usual, port) == 0)
		len -= port;
	memcpy(own, host, len);
	own[len] = '\0';
	if (strcmp(own, API_LABEL "github.com") == 0 || is_tenant(own))
		memmove(own, own + strlen(API_LABEL),
		    len + 1 - strlen(API_LABEL));
}

/* Scheme and host in lower case, as they come back in redirects. */
static int
set_api(struct github *g, const char *url, struct err *e)
{
	size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : 7;
	size_t len = strlen(url), host;

	if (scheme == 7 && strncasecmp(url, "http://", 7) != 0)
		return err_set(e, ERR_INVALID, "GITHUB_API_URL is not https");
	while (len > scheme && url[len - 1] == '/')
		len--;
	host = strcspn(url + scheme, "/");
	if (len == scheme || host == 0 || len > GITHUB_API_URL_MAX)
		return err_set(e, ERR_INVALID,
		    "GITHUB_API_URL has no host, or more than %d characters",
		    GITHUB_API_URL_MAX);
	for (size_t i = 0; i < len; i++) {
		if (url[i] <= ' ' || url[i] >= 0x7f ||
		    strchr("?#@%\\\"<>", url[i]) != NULL)
			return err_set(e, ERR_INVALID,
			    "GITHUB_API_URL has more than a host and a path");
		g->api[i] = i < scheme + host && url[i] >= 'A' && url[i] <= 'Z'
		    ? (char)(url[i] - 'A' + 'a')
		    : url[i];
	}
	set_repo_host(g);
	return 0;
}

int
github_api_check(const char *url, struct err *e)
{
	struct github g = { .api = "" };

	return set_api(&g, url, e);
}

int
github_new(struct github **out, const struct github_options *o, struct err *e)
{
	const char *url =
	    o->api_url == NULL ? GITHUB_API_URL_DEFAULT : o->api_url;
	struct github *g = calloc(1, sizeof(*g));
	int rc = -1;

	*out = NULL;
	if (g == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (o->ca_file != NULL && (g->ca_file = strdup(o->ca_file)) == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (set_api(g, url, e) == -1 || net_new(&g->net, e) == -1)
		goto out;
	g->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : GITHUB_TIMEOUT_MS;
	g->allow_http = o->allow_http;
	*out = g;
	g = NULL;
	rc = 0;
out:
	github_free(g);
	return rc;
}

void
github_free(struct github *g)
{
	if (g == NULL)
		return;
	net_free(g->net);
	free(g->ca_file);
	free(g);
}

int
github_viewer(struct github *g, const char *token, struct host_viewer *v,
    struct host_failure *f)
{
	struct buf url = BUF(URL_MAX);
	struct ask a = { .method = "GET", .token = token, .url = &url };
	struct net_response rs = { 0 };
	struct err e = { 0 };
	const char *scopes;
	int rc = -1;

	memset(v, 0, sizeof(*v));
	buf_addf(&url, "%s/user", g->api);
	if (request_send(g, &a, &rs, f) == -1)
		goto out;
	if (rs.status != 200) {
		(void)request_refused(&a, &rs, f);
		goto out;
	}
	if (read_viewer(v, rs.body.data, rs.body.len, &e) == -1) {
		(void)request_failed(f, &e);
		goto out;
	}
	v->has_scopes = request_scopes(&rs, &scopes);
	/* A longer list is kept by net as none, and then counts as none. */
	memcpy(v->scopes, scopes, strlen(scopes) + 1);
	rc = 0;
out:
	net_response_clear(&rs);
	buf_clear(&url);
	return rc;
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

/*
 * Where a repository went, if that is a path of this API and nothing else: the
 * token must not go anywhere that an answer names (U7).
 */
static bool
take_location(struct buf *url, const struct github *g,
    const struct net_response *rs)
{
	size_t len = strlen(g->api);
	const char *path = rs->location + len;

	if (strncmp(rs->location, g->api, len) != 0 ||
	    (strncmp(path, "/repositories/", 14) != 0 &&
		strncmp(path, "/repos/", 7) != 0) ||
	    strstr(path, "..") != NULL)
		return false;
	for (const char *c = path; *c != '\0'; c++)
		if (*c != '/' && strchr("?#%@:\\", *c) != NULL)
			return false;
	buf_reset(url);
	buf_puts(url, rs->location);
	return true;
}

/* The answer about a repository, where it is now. */
static int
ask_repo(struct github *g, const struct ask *a, struct buf *url,
    struct net_response *rs, struct host_failure *f)
{
	if (request_send(g, a, rs, f) == -1)
		return -1;
	if (is_redirect(rs->status) && take_location(url, g, rs)) {
		net_response_clear(rs);
		if (request_send(g, a, rs, f) == -1)
			return -1;
	}
	return rs->status == 200 ? 0 : request_refused(a, rs, f);
}

int
github_repo(struct github *g, const struct host_place *at, struct host_repo *r,
    struct host_failure *f)
{
	struct buf url = BUF(URL_MAX);
	struct ask a = { .method = "GET", .token = at->token, .url = &url };
	struct net_response rs = { 0 };
	struct err e = { 0 };
	int rc = -1;

	memset(r, 0, sizeof(*r));
	if (request_repo_url(&url, g, at, f) == -1 ||
	    ask_repo(g, &a, &url, &rs, f) == -1)
		goto out;
	if (read_repo(r, rs.body.data, rs.body.len, &e) == -1) {
		(void)request_failed(f, &e);
		goto out;
	}
	rc = 0;
out:
	net_response_clear(&rs);
	buf_clear(&url);
	return rc;
}

int
github_branch(struct github *g, const struct host_place *at, const char *branch,
    struct host_ref *ref, struct host_failure *f)
{
	struct buf url = BUF(URL_MAX);
	struct ask a = { .method = "GET", .token = at->token, .url = &url };
	struct net_response rs = { 0 };
	struct err e = { 0 };
	int rc = -1;

	memset(ref, 0, sizeof(*ref));
	if (request_repo_url(&url, g, at, f) == -1)
		goto out;
	buf_puts(&url, "/git/ref/heads/");
	request_escape(&url, branch, "/");
	if (!branch_valid(branch)) {
		rc = 0; /* none can be called that */
		goto out;
	}
	if (request_send(g, &a, &rs, f) == -1)
		goto out;
	/* 409: the repository has no commit, so no branch either. */
	if (rs.status == 404 || rs.status == 409) {
		rc = 0;
		goto out;
	}
	if (rs.status != 200)
		(void)request_refused(&a, &rs, f);
	else if ((rc = read_ref(ref, branch, rs.body.data, rs.body.len, &e)) ==
	    -1)
		(void)request_failed(f, &e);
out:
	net_response_clear(&rs);
	buf_clear(&url);
	return rc;
}

/* The same functions for callers who do not know which kind they have. */
static int
as_viewer(void *self, const char *token, struct host_viewer *v,
    struct host_failure *f)
{
	return github_viewer(self, token, v, f);
}

static int
as_repo(void *self, const struct host_place *at, struct host_repo *r,
    struct host_failure *f)
{
	return github_repo(self, at, r, f);
}

static int
as_branch(void *self, const struct host_place *at, const char *branch,
    struct host_ref *ref, struct host_failure *f)
{
	return github_branch(self, at, branch, ref, f);
}

static int
as_pull_find(void *self, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p, struct host_failure *f)
{
	return github_pull_find(self, at, w, p, f);
}

static int
as_pull_create(void *self, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p, struct host_failure *f)
{
	return github_pull_create(self, at, w, p, f);
}

void
github_as_host(struct github *g, struct code_host *h)
{
	*h = (struct code_host){ .repo_host = g->repo_host,
		.self = g,
		.viewer = as_viewer,
		.repo = as_repo,
		.branch = as_branch,
		.pull_find = as_pull_find,
		.pull_create = as_pull_create,
		.push_refused = github_push_refused };
}
