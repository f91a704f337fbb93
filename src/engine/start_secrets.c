/* What a runner is given over its pipe. */
#include "engine/start_secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/agent.h"
#include "engine/impl.h"
#include "util/text.h"

int
start_refuse(struct refusal *no, enum failure failure, const char *what,
    const struct err *why)
{
	no->failure = failure;
	(void)snprintf(no->text, sizeof(no->text), "%s: %.380s", what,
	    why->text);
	return -1;
}

/*
 * What the setting of an agent's variable holds; NULL or "": not set. A name of
 * any other setting of ours is none of an agent's business.
 */
static const char *
setting_of(const struct config *c, const char *name)
{
	if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
		return c->anthropic_api_key;
	if (strcmp(name, "OPENAI_API_KEY") == 0)
		return c->openai_api_key;
	/* An agent that an admin added: from our own environment. */
	return config_is_setting(name) ? NULL : getenv(name);
}

/* Simulated agents need no keys, so they get none. */
static bool
wants_keys(const struct config *c)
{
	return strcmp(config_mode(c), "simulation") != 0 ||
	    strcmp(c->simulation_agents, "cli") == 0;
}

/* The variables that the agent's manifest names, as far as they are set. */
static int
take_env(const struct config *c, const char *agent, struct secrets *s,
    struct err *e)
{
	struct agent a = { 0 };
	size_t n = 0;
	int rc = -1;

	if (!wants_keys(c))
		return 0;
	if (agent_read(&a, c->share_dir, agent, e) == -1)
		goto out;
	for (char *const *name = a.env; *name != NULL; name++) {
		const char *value = setting_of(c, *name);

		if (value == NULL || value[0] == '\0' || n == SECRETS_ENV_MAX)
			continue;
		if (asprintf(&s->env[n], "%s=%s", *name, value) == -1) {
			s->env[n] = NULL;
			(void)err_set(e, ERR_RETRY, "out of memory");
			goto out;
		}
		n++;
	}
	rc = 0;
out:
	agent_clear(&a);
	return rc;
}

static int
take_token(struct engine *g, const struct claim *c, struct secrets *s,
    struct err *e)
{
	struct buf token = BUF(SEAL_SECRET_MAX);
	int rc = -1;

	if (keyring_open(&g->keys, c, &token, e) == -1)
		goto out;
	s->github_token = strdup(token.data == NULL ? "" : token.data);
	if (s->github_token == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	rc = 0;
out:
	buf_wipe(&token);
	return rc;
}

int
start_secrets(struct engine *g, const struct claim *c, bool has_agent,
    struct secrets *s, struct refusal *no)
{
	struct err e = { 0 };

	if (take_token(g, c, s, &e) == -1)
		return start_refuse(no, FAILURE_SECRET,
		    "The token stored for this task cannot be read any more; "
		    "please start the task again",
		    &e);
	if (text_set(&s->e2b_api_key, g->config->e2b_api_key, &e) == -1)
		return start_refuse(no, FAILURE_INTERNAL,
		    "The task cannot be started", &e);
	if (has_agent && take_env(g->config, c->agent, s, &e) == -1)
		return start_refuse(no, FAILURE_AGENT_MISSING,
		    "The agent of this task is not installed here", &e);
	return 0;
}
