/* POST /api/validate-token: contract 4.1, D21 and D22. Reads only. */
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "api/outbound.h"

#define PREFIX "Token validation failed: "

/* What is asked, and what GitHub said of it. */
struct validation {
	struct body_text token;
	bool has_repo;
	struct repo_url url;
	struct host_viewer viewer;
	struct host_repo repo;
};

static int
read_input(struct validation *v, const struct call *c,
    const struct code_host *h, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	const struct repo_policy policy = { cfg->repo_allowed_hosts,
		cfg->repo_allow_http };
	struct body_text url = { "", 0 };

	if (c->body == NULL || json_member_falsy(c->body, "github_token"))
		return err_set(e, ERR_INVALID, "github_token is required");
	if (body_string(c->body, "github_token", &v->token, e) == -1 ||
	    body_string(c->body, "repo_url", &url, e) == -1)
		return -1;
	v->has_repo = url.len > 0;
	if (!v->has_repo)
		return 0;
	if (repo_url_read(&v->url, url.s, &policy, e) == -1)
		return -1;
	if (!outbound_serves(h, &v->url))
		return err_set(e, ERR_INVALID,
		    "Invalid GitHub URL format: %s is not the host that is "
		    "asked (GITHUB_API_URL)",
		    v->url.host);
	return 0;
}

/* GitHub knows the token, and says no. */
static bool
is_denial(enum host_outcome o)
{
	return o == HOST_NO_PERMISSION || o == HOST_SSO ||
	    o == HOST_FORBIDDEN || o == HOST_BLOCKED;
}

/*
 * Bad tokens are 401. That GitHub is away, wants us to wait, or that what
 * answers at GITHUB_API_URL is no GitHub, is not the token's fault.
 */
static int
refuse_token(struct call *c, const struct host_failure *f)
{
	int status = outbound_status(f->outcome);
	struct host_failure shown = *f;

	if (f->outcome == HOST_BAD_TOKEN || is_denial(f->outcome)) {
		status = 401;
	} else if (status != 500 && f->outcome != HOST_RATE_LIMIT) {
		status = 502;
		shown.outcome = HOST_UNREACHABLE;
		shown.message[0] = '\0';
	}
	return outbound_refuse(c, status, PREFIX, &shown);
}

/* Beside the error, whose token it is. */
static int
refuse_repo(struct call *c, const struct validation *v,
    const struct host_failure *f)
{
	char text[OUTBOUND_TEXT_MAX],
	    error[OUTBOUND_TEXT_MAX + sizeof("Cannot access repository: ")];
	struct json_out j;

	if (f->outcome != HOST_NOT_FOUND && !is_denial(f->outcome))
		return refuse_token(c, f);
	outbound_note(c, f);
	outbound_text(text, f);
	(void)snprintf(error, sizeof(error), "Cannot access repository: %s",
	    text);
	call_refuse(c, 403, "");
	buf_reset(&c->rs->body);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "error", error);
	json_name_text(&j, "user", v->viewer.login);
	json_close(&j);
	return 0;
}

static void
put_repo(struct json_out *j, const struct validation *v)
{
	const struct host_repo *r = &v->repo;
	char name[2 * REPO_NAME_MAX + 2];

	(void)snprintf(name, sizeof(name), "%s/%s", r->owner, r->name);
	json_name_text(j, "name", name);
	json_name_bool(j, "private", r->is_private);
	json_name_text(j, "default_branch", r->default_branch);
	json_name(j, "permissions");
	json_open(j);
	json_name_bool(j, "read", true);
	json_name_bool(j, "write", r->may_push);
	json_name_bool(j, "admin", r->may_admin);
	json_name_bool(j, "read_branches", true);
	json_name_bool(j, "create_branches",
	    host_may_create_branches(&v->viewer, r));
	json_close(j);
}

static int
answer_valid(struct call *c, const struct validation *v)
{
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "user", v->viewer.login);
	json_name(&j, "repo");
	json_open(&j);
	if (v->has_repo)
		put_repo(&j, v);
	json_close(&j);
	json_name_text(&j, "message",
	    "Token is valid and has repository access");
	json_close(&j);
	return 0;
}

int
token_validate_post(struct call *c, struct err *e)
{
	struct validation v = { .has_repo = false };
	const struct code_host *h;
	struct host_failure f;

	if (outbound_host(c->api, &h, e) == -1 || read_input(&v, c, h, e) == -1)
		return -1;
	if (h->viewer(h->self, v.token.s, &v.viewer, &f) == -1)
		return refuse_token(c, &f);
	if (v.has_repo) {
		const struct host_place at = { v.token.s, v.url.owner,
			v.url.name };

		if (h->repo(h->self, &at, &v.repo, &f) == -1)
			return refuse_repo(c, &v, &f);
	}
	return answer_valid(c, &v);
}
