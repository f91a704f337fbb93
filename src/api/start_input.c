#include "api/start_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "repo/branch.h"
#include "util/utf8.h"

#define DEFAULT_BRANCH "main"
#define DEFAULT_MODEL "claude"
#define REQUIRED "prompt, repo_url, and github_token are required"

/* More than any body that config allows. */
#define CANONICAL_MAX ((size_t)128 * 1024 * 1024)

/* The three that must be there, looked at together (contract 3.1). */
struct required {
	struct body_text prompt;
	struct body_text repo_url;
	struct body_text github_token;
};

static int
read_required(struct required *r, struct json_object *body, struct err *e)
{
	if (json_member_falsy(body, "prompt") ||
	    json_member_falsy(body, "repo_url") ||
	    json_member_falsy(body, "github_token"))
		return err_set(e, ERR_INVALID, REQUIRED);
	if (body_string(body, "prompt", &r->prompt, e) == -1 ||
	    body_string(body, "repo_url", &r->repo_url, e) == -1 ||
	    body_string(body, "github_token", &r->github_token, e) == -1)
		return -1;
	body_strip(&r->prompt);
	if (r->prompt.len == 0) /* D11 */
		return err_set(e, ERR_INVALID, REQUIRED);
	return 0;
}

/*
 * Absent or null is the default, as the front end may leave it out; any other
 * value must be a name, "" too.
 */
static int
read_model(struct start_input *in, const struct call *c, struct err *e)
{
	char choices[AGENT_CHOICES_MAX];
	const char *name = DEFAULT_MODEL;
	const struct agent *agent;
	size_t len;

	if (json_get_string(c->body, "model", &name, &len) == JSON_MISTYPED)
		return err_set(e, ERR_INVALID, "model must be a string");
	agent = agent_list_find(&c->api->agents, name);
	if (agent == NULL) {
		agent_list_choices(&c->api->agents, choices, sizeof(choices));
		return err_set(e, ERR_INVALID, "%s", choices);
	}
	in->model = agent->name;
	return 0;
}

/*
 * Which model the agent is to use: an addition of ours. It ends as an argument
 * of the agent's program, so it is a name and nothing else.
 */
static int
read_agent_model(struct start_input *in, const struct call *c, struct err *e)
{
	const char *name = "";
	size_t len;

	if (json_get_string(c->body, "agent_model", &name, &len) ==
	    JSON_MISTYPED)
		return err_set(e, ERR_INVALID, "agent_model must be a string");
	if (name[0] == '\0')
		return 0;
	if (!agent_model_valid(name))
		return err_set(e, ERR_INVALID,
		    "agent_model must be 1 to %d letters, digits and "
		    "._:/@+-[], and begin with a letter or a digit",
		    AGENT_MODEL_MAX);
	if (!agent_models_allow(c->api->cfg->agent_models, in->model, name))
		return err_set(e, ERR_INVALID,
		    "agent_model \"%s\" is not offered here for %s "
		    "(AGENT_MODELS)",
		    name, in->model);
	in->agent_model = name;
	return 0;
}

static int
read_prompt(struct start_input *in, const struct body_text *prompt,
    const struct config *cfg, struct err *e)
{
	if (utf8_length(prompt->s, prompt->len) > (size_t)cfg->prompt_max_chars)
		return err_set(e, ERR_INVALID,
		    "prompt must be at most %ld characters (PROMPT_MAX_CHARS)",
		    cfg->prompt_max_chars);
	if ((in->prompt = strndup(prompt->s, prompt->len)) == NULL)
		return err_sys(e, ERR_RETRY, "prompt");
	return 0;
}

static int
read_branch(struct start_input *in, struct json_object *body, struct err *e)
{
	struct body_text branch;

	if (body_string(body, "branch", &branch, e) == -1)
		return -1;
	in->branch = branch.len > 0 ? branch.s : DEFAULT_BRANCH;
	if (!branch_valid(in->branch))
		return err_set(e, ERR_INVALID, "Invalid branch name");
	return 0;
}

static int
read_project(struct start_input *in, struct json_object *body, struct err *e)
{
	if (body_integer(body, "project_id", &in->project_id, e) == -1)
		return -1;
	if (in->project_id < 0)
		return err_set(e, ERR_ABSENT, "Project not found");
	return 0;
}

static int
read_github_token(struct start_input *in, const struct body_text *token,
    struct err *e)
{
	if (!body_visible(token->s, GITHUB_TOKEN_MAX))
		return err_set(e, ERR_INVALID,
		    "github_token must be 1 to %d visible ASCII characters",
		    GITHUB_TOKEN_MAX);
	in->github_token = token->s;
	return 0;
}

static int
read_idem_key(struct start_input *in, const struct http_request *rq,
    struct err *e)
{
	in->idem_key = rq->idempotency_key;
	if (in->idem_key != NULL && !body_visible(in->idem_key, IDEM_KEY_MAX))
		return err_set(e, ERR_INVALID,
		    "Idempotency-Key must be 1 to %d visible ASCII characters",
		    IDEM_KEY_MAX);
	return 0;
}

int
start_input_read(struct start_input *in, const struct call *c, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	const struct repo_policy policy = { cfg->repo_allowed_hosts,
		cfg->repo_allow_http };
	struct required r;

	memset(in, 0, sizeof(*in));
	if (read_required(&r, c->body, e) == -1 || read_model(in, c, e) == -1 ||
	    read_agent_model(in, c, e) == -1 ||
	    read_prompt(in, &r.prompt, cfg, e) == -1 ||
	    repo_url_read(&in->repo, r.repo_url.s, &policy, e) == -1 ||
	    read_branch(in, c->body, e) == -1 ||
	    read_project(in, c->body, e) == -1 ||
	    read_github_token(in, &r.github_token, e) == -1)
		return -1;
	return read_idem_key(in, c->rq, e);
}

void
start_input_clear(struct start_input *in)
{
	free(in->prompt);
	memset(in, 0, sizeof(*in));
}

static void
add_value(struct buf *b, const char *value)
{
	buf_addf(b, "%zu:", strlen(value));
	buf_puts(b, value);
}

int
start_input_hash(const struct start_input *in, uint8_t hash[SHA256_BYTES],
    struct err *e)
{
	struct buf canonical = BUF(CANONICAL_MAX);
	int rc = -1;

	add_value(&canonical, "start-task 1");
	add_value(&canonical, in->prompt);
	add_value(&canonical, in->repo.stored);
	add_value(&canonical, in->branch);
	add_value(&canonical, in->model);
	buf_addf(&canonical, "%" PRId64, in->project_id);
	if (in->agent_model != NULL)
		add_value(&canonical, in->agent_model);
	/* Part of it would be the hash of other requests too. */
	if (!buf_ok(&canonical)) {
		err_set(e, ERR_RETRY, "no memory for the canonical request");
		goto out;
	}
	sha256(hash, canonical.data, canonical.len);
	rc = 0;
out:
	buf_clear(&canonical);
	return rc;
}
