#include "github/request.h"

#include <stdio.h>
#include <string.h>

#include "github/classify.h"
#include "github/read.h"
#include "util/clock.h"

#define UNRESERVED \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

enum wanted {
	SCOPES,
	SSO,
	REMAINING,
	RESET
};

static const char *const want[] = { [SCOPES] = "X-OAuth-Scopes",
	[SSO] = "X-GitHub-SSO",
	[REMAINING] = "X-RateLimit-Remaining",
	[RESET] = "X-RateLimit-Reset",
	NULL };

static int
fill(struct host_failure *f, enum host_outcome outcome, const char *message)
{
	memset(f, 0, sizeof(*f));
	f->outcome = outcome;
	f->retry_after_s = -1;
	classify_message(f, message, strlen(message));
	return -1;
}

int
request_failed(struct host_failure *f, const struct err *e)
{
	return fill(f, e->kind == ERR_BROKEN ? HOST_BROKEN : HOST_INTERNAL,
	    e->text);
}

void
request_escape(struct buf *url, const char *text, const char *keep)
{
	for (; *text != '\0'; text++)
		if (strchr(UNRESERVED, *text) != NULL ||
		    strchr(keep, *text) != NULL)
			buf_putc(url, *text);
		else
			buf_addf(url, "%%%02X",
			    (unsigned int)(unsigned char)*text);
}

int
request_repo_url(struct buf *url, const struct github *g,
    const struct host_place *at, struct host_failure *f)
{
	if (!read_is_name(at->owner) || !read_is_name(at->name))
		return fill(f, HOST_INTERNAL, "not a name of a repository");
	buf_addf(url, "%s/repos/%s/%s", g->api, at->owner, at->name);
	return 0;
}

static bool
is_token(const char *token)
{
	size_t len = 0;

	while (token[len] > ' ' && token[len] < 0x7f)
		len++;
	return len > 0 && len <= GITHUB_TOKEN_MAX && token[len] == '\0';
}

/* A failure below HTTP: which, and whose. */
static int
no_answer(struct host_failure *f, const struct net_response *rs,
    const struct err *e)
{
	if (rs->timed_out)
		return fill(f, HOST_TIMEOUT, e->text);
	if (e->kind == ERR_RETRY)
		return fill(f, HOST_UNREACHABLE, e->text);
	return request_failed(f, e);
}

int
request_send(struct github *g, const struct ask *a, struct net_response *rs,
    struct host_failure *f)
{
	char right[GITHUB_TOKEN_MAX + 32];
	const char *const headers[] = { "Accept: application/vnd.github+json",
		"X-GitHub-Api-Version: 2022-11-28",
		a->body == NULL ? right : "Content-Type: application/json",
		a->body == NULL ? NULL : right, NULL };
	struct net_request rq = { .method = a->method,
		.headers = headers,
		.want = want,
		.max_body = GITHUB_ANSWER_MAX,
		.timeout_ms = g->timeout_ms,
		.ca_file = g->ca_file,
		.allow_http = g->allow_http };
	struct err e = { 0 };
	int rc;

	memset(rs, 0, sizeof(*rs));
	if (!is_token(a->token))
		return fill(f, HOST_BAD_TOKEN, "it does not look like a token");
	if (!buf_ok(a->url) || (a->body != NULL && !buf_ok(a->body)))
		return fill(f, HOST_INTERNAL, "out of memory, or too long");
	(void)snprintf(right, sizeof(right), "Authorization: Bearer %s",
	    a->token);
	rq.url = a->url->data;
	rq.body = a->body == NULL ? NULL : a->body->data;
	rq.body_len = a->body == NULL ? 0 : a->body->len;
	rc = net_fetch(g->net, &rq, rs, &e);
	explicit_bzero(right, sizeof(right));
	return rc == 0 ? 0 : no_answer(f, rs, &e);
}

int
request_refused(const struct ask *a, const struct net_response *rs,
    struct host_failure *f)
{
	struct refusal r = { .status = rs->status,
		.retry_after_s = rs->retry_after_s,
		.sso = rs->wanted[SSO],
		.remaining = rs->wanted[REMAINING],
		.reset = rs->wanted[RESET],
		.body = rs->body.data,
		.len = rs->body.len,
		.now_s = clock_wall_us() / 1000000 };

	classify(&r, f);
	/* No host should say a token back, and if one does we do not. */
	if (strstr(f->message, a->token) != NULL)
		f->message[0] = '\0';
	return -1;
}

bool
request_scopes(const struct net_response *rs, const char **scopes)
{
	*scopes = rs->wanted[SCOPES];
	return rs->has_wanted[SCOPES];
}
