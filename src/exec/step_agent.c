/* The agent: its script, its environment, its clocks. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/step_agent.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/json.h"

#define AGENT_SCRIPT SANDBOX_HOME "/agent-run"
#define AGENT_PROMPT SANDBOX_HOME "/prompt.txt"
#define SCRIPT_MAX ((size_t)1024 * 1024)
#define START_MAX ((size_t)4096)
#define OWN_ENV_MAX 8
#define VALUE_MAX 64

/* Its environment, and the memory for what is made up for it. */
struct agent_env {
	const char *list[SECRETS_ENV_MAX + OWN_ENV_MAX];
	size_t n;
	char chosen[AGENT_NAME_MAX + VALUE_MAX];
	char model[AGENT_MODEL_MAX + VALUE_MAX];
	char turns[VALUE_MAX], budget[VALUE_MAX];
	struct buf token; /* secret */
};

/* Reads the manifest of the agent that is to run. */
static int
find_agent(struct pipeline *p, struct err *e)
{
	const struct spec *s = p->spec;
	char stand_in[AGENT_NAME_MAX + 1];

	if (agent_read(&p->agent, s->share_dir, s->agent, e) == -1)
		return -1;
	/* In the cloud agents are real: there is a key for it. */
	if (pipeline_in_cloud(p) || strcmp(s->agent_kind, "simulated") != 0 ||
	    p->agent.simulated_by == NULL)
		return 0;
	(void)snprintf(stand_in, sizeof(stand_in), "%s", p->agent.simulated_by);
	agent_clear(&p->agent);
	return agent_read(&p->agent, s->share_dir, stand_in, e);
}

const char *
agent_title(const struct pipeline *p)
{
	return p->agent.title == NULL ? p->spec->agent : p->agent.title;
}

int
agent_put_script(struct pipeline *p, const char *file, bool shared,
    const char *to, struct err *e)
{
	struct buf text = BUF(SCRIPT_MAX);
	char path[4096];
	int n, rc = -1;

	n = snprintf(path, sizeof(path), "%s/%s/%s", p->spec->share_dir,
	    shared ? "sandbox" : "agents", shared ? "" : p->agent.name);
	if (n >= 0 && (size_t)n < sizeof(path))
		n += snprintf(path + n, sizeof(path) - (size_t)n, "/%s", file);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		(void)err_set(e, ERR_INVALID, "SHARE_DIR is too long");
		goto out;
	}
	if (file_read(AT_FDCWD, path, &text, e) == 0)
		rc = sandbox_put(p->sb, to, text.data, text.len, 0700, e);
out:
	buf_clear(&text);
	return rc;
}

static int
put_files(struct pipeline *p, struct err *e)
{
	if (agent_put_script(p, p->agent.script, false, AGENT_SCRIPT, e) == -1)
		return -1;
	return sandbox_put(p->sb, AGENT_PROMPT, p->spec->prompt,
	    strlen(p->spec->prompt), 0600, e);
}

/* Of the secrets, those that its manifest names, and no other (E6). */
static void
add_secrets(const struct pipeline *p, struct agent_env *env)
{
	for (size_t i = 0; i < SECRETS_ENV_MAX; i++) {
		const char *pair = p->secrets->env[i];

		for (size_t k = 0; pair != NULL && k < AGENT_ENV_MAX; k++) {
			const char *name = p->agent.env[k];
			size_t len = name == NULL ? 0 : strlen(name);

			if (len > 0 && strncmp(pair, name, len) == 0 &&
			    pair[len] == '=') {
				env->list[env->n++] = pair;
				break;
			}
		}
	}
}

/* The repository's token is for the clone, unless somebody wants otherwise. */
static void
add_token(const struct pipeline *p, struct agent_env *env)
{
	const char *token = p->secrets->github_token;

	if (!p->spec->agent_github_token || token == NULL || token[0] == '\0')
		return;
	buf_puts(&env->token, "GITHUB_TOKEN=");
	buf_puts(&env->token, token);
	if (buf_ok(&env->token))
		env->list[env->n++] = env->token.data;
}

/* Which model is asked for; NULL: the program chooses. */
static const char *
chosen_model(const struct pipeline *p)
{
	const char *model = p->spec->agent_model;

	return model != NULL && agent_model_valid(model) ? model : NULL;
}

static void
fill_env(const struct pipeline *p, struct agent_env *env)
{
	const struct spec *s = p->spec;
	const char *model = chosen_model(p);

	(void)snprintf(env->chosen, sizeof(env->chosen), "TASKMILL_AGENT=%s",
	    s->agent);
	env->list[env->n++] = env->chosen;
	env->list[env->n++] = "TASKMILL_PROMPT_FILE=" AGENT_PROMPT;
	if (model != NULL) {
		(void)snprintf(env->model, sizeof(env->model),
		    "TASKMILL_AGENT_MODEL=%s", model);
		env->list[env->n++] = env->model;
	}
	if (s->agent_max_turns > 0) {
		(void)snprintf(env->turns, sizeof(env->turns),
		    "TASKMILL_AGENT_MAX_TURNS=%ld", s->agent_max_turns);
		env->list[env->n++] = env->turns;
	}
	if (s->agent_budget_cents > 0) {
		(void)snprintf(env->budget, sizeof(env->budget),
		    "TASKMILL_AGENT_BUDGET_USD=%ld.%02ld",
		    s->agent_budget_cents / 100, s->agent_budget_cents % 100);
		env->list[env->n++] = env->budget;
	}
	add_secrets(p, env);
	add_token(p, env);
	env->list[env->n] = NULL;
}

static bool
asked_to_stop(void *ctx)
{
	struct agent_listener *l = ctx;

	if (!l->begun) {
		l->begun = true;
		FAULT_POINT("run.in_agent");
	}
	return l->p->stop(l->p->ctx);
}

/*
 * Two of its three clocks (E3): how long it may be silent, and how long it may
 * stay once it has said how it ended. The third is the command's own limit.
 */
static int64_t
clocks(void *ctx)
{
	const struct agent_listener *l = ctx;
	const struct spec *s = l->p->spec;
	int64_t until = INT64_MAX, linger;

	if (s->agent_idle_s > 0)
		until = l->heard_ms + (int64_t)s->agent_idle_s * 1000;
	if (s->agent_linger_s > 0 && agent_output_finished(l->reader)) {
		linger = l->heard_ms + (int64_t)s->agent_linger_s * 1000;
		until = linger < until ? linger : until;
	}
	return until;
}

static int
hear(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct agent_listener *l = ctx;

	l->heard_ms = clock_mono_ms();
	/* Raw first: an event then stands behind the line that it is of. */
	if (spool_output(l->p->spool,
		from == SANDBOX_STDOUT ? "stdout" : "stderr", bytes, len,
		e) == -1)
		return -1;
	if (from == SANDBOX_STDERR) {
		words_add(&l->words, bytes, len);
		return 0;
	}
	l->printed = true;
	return agent_output_feed(l->reader, bytes, len, e);
}

static int
write_event(void *ctx, const char *json, size_t len, struct err *e)
{
	struct agent_listener *l = ctx;

	return spool_agent(l->p->spool, json, len, e);
}

/* The first event: who it is, and how its output is to be read. */
static int
write_start(struct pipeline *p, struct err *e)
{
	struct buf text = BUF(START_MAX);
	struct json_out j;
	int rc;

	json_start(&j, &text);
	json_open(&j);
	json_name_text(&j, "type", "start");
	json_name_text(&j, "agent", p->agent.name);
	json_name_text(&j, "title", agent_title(p));
	json_name_text(&j, "output", p->agent.output);
	if (chosen_model(p) != NULL)
		json_name_text(&j, "model", chosen_model(p));
	json_close(&j);
	rc = buf_ok(&text) ? spool_agent(p->spool, text.data, text.len, e)
			   : err_set(e, ERR_RETRY, "out of memory");
	buf_clear(&text);
	return rc;
}

/*
 * A real agent works by its own service, so its manifest decides; one that is
 * simulated needs no network, and whoever runs this decides.
 */
static bool
has_network(const struct pipeline *p)
{
	if (strcmp(p->spec->agent_kind, "simulated") == 0)
		return p->spec->agent_network;
	return p->agent.network;
}

static int
run_agent(struct agent_listener *l, struct err *e)
{
	static const char *const argv[] = { "/bin/sh", AGENT_SCRIPT, NULL };
	struct pipeline *p = l->p;
	struct agent_env env = { .token = BUF(SECRETS_MAX_BYTES) };
	const struct sandbox_cmd cmd = { .argv = argv,
		.cwd = SANDBOX_REPO,
		.env = env.list,
		.network = has_network(p),
		.limit_s = (unsigned int)p->spec->agent_limit_s,
		/* The other half is for what comes after (row 41). */
		.grace_ms = (unsigned int)p->spec->cancel_grace_ms / 2,
		.output = hear,
		.ctx = l,
		.stop = asked_to_stop,
		.until_ms = clocks };
	struct sandbox_end end;
	int rc;

	fill_env(p, &env);
	/* In the cloud nobody can tell that it has done nothing yet. */
	p->agent_ran = pipeline_in_cloud(p);
	l->heard_ms = clock_mono_ms();
	rc = sandbox_run(p->sb, &cmd, &end, e);
	buf_wipe(&env.token);
	if (rc == -1)
		return pipeline_sandbox_error(p, e);
	p->agent_ran = true;
	return agent_judge(l, &end, e);
}

static int
listen_and_run(struct pipeline *p, struct err *e)
{
	struct agent_listener l = { .p = p, .tail = BUF(AGENT_TAIL_MAX) };
	const struct agent_output_spec spec = { .rules = p->agent.rules,
		.redact = p->redact,
		.root = SANDBOX_REPO,
		.event = write_event,
		.ctx = &l,
		.max_bytes = (size_t)p->spec->output_max_bytes };
	int rc = -1;

	if (write_start(p, e) == 0 &&
	    agent_output_open(&l.reader, &spec, e) == 0 &&
	    words_open(&l.words, p->redact, &l.tail, true, e) == 0)
		rc = run_agent(&l, e);
	words_close(&l.words);
	agent_output_close(l.reader);
	buf_clear(&l.tail);
	return rc;
}

int
step_agent(struct pipeline *p, struct err *e)
{
	struct err why;

	if (find_agent(p, e) == -1) {
		why = *e;
		return pipeline_fail(p, "agent_missing", e,
		    "The agent \"%s\" cannot be used here: %s", p->spec->agent,
		    why.text);
	}
	if (agent_check_keys(p, e) == -1)
		return -1;
	if (p->over)
		return 0;
	if (put_files(p, e) == -1)
		return pipeline_sandbox_error(p, e);
	if (agent_install(p, e) == -1)
		return -1;
	return p->over ? 0 : listen_and_run(p, e);
}
