/* The agent: its script, its environment, its words. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/pipeline.h"
#include "exec/words.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/text.h"
#include "util/utf8.h"

#define AGENT_SCRIPT SANDBOX_HOME "/agent-run"
#define AGENT_PROMPT SANDBOX_HOME "/prompt.txt"
#define SCRIPT_MAX ((size_t)1024 * 1024)
#define TAIL_MAX ((size_t)1000) /* of what an agent said before it failed */

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

static int
put_files(struct pipeline *p, struct err *e)
{
	struct buf text = BUF(SCRIPT_MAX);
	char path[4096];
	int n, rc = -1;

	n = snprintf(path, sizeof(path), "%s/agents/%s/%s", p->spec->share_dir,
	    p->agent.name, p->agent.script);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		(void)err_set(e, ERR_INVALID, "SHARE_DIR is too long");
		goto out;
	}
	if (file_read(AT_FDCWD, path, &text, e) == -1 ||
	    sandbox_put(p->sb, AGENT_SCRIPT, text.data, text.len, 0700, e) ==
		-1 ||
	    sandbox_put(p->sb, AGENT_PROMPT, p->spec->prompt,
		strlen(p->spec->prompt), 0600, e) == -1)
		goto out;
	rc = 0;
out:
	buf_clear(&text);
	return rc;
}

/* Of the secrets, those that its manifest names, and no other (E6). */
static size_t
add_secrets(const struct pipeline *p, const char **env, size_t n)
{
	for (size_t i = 0; i < SECRETS_ENV_MAX; i++) {
		const char *pair = p->secrets->env[i];

		for (size_t k = 0; pair != NULL && k < AGENT_ENV_MAX; k++) {
			const char *name = p->agent.env[k];
			size_t len = name == NULL ? 0 : strlen(name);

			if (len > 0 && strncmp(pair, name, len) == 0 &&
			    pair[len] == '=') {
				env[n++] = pair;
				break;
			}
		}
	}
	return n;
}

/* Who listens to the agent. */
struct listener {
	struct pipeline *p;
	struct agent_output *reader;
	struct buf tail;    /* the last of its standard error */
	struct words words; /* what fills it */
	bool begun;
};

static bool
asked_to_stop(void *ctx)
{
	struct listener *l = ctx;

	if (!l->begun) {
		l->begun = true;
		FAULT_POINT("run.in_agent");
	}
	return l->p->stop(l->p->ctx);
}

static int
hear(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct listener *l = ctx;

	if (from == SANDBOX_STDOUT &&
	    agent_output_feed(l->reader, bytes, len, e) == -1)
		return -1;
	if (from == SANDBOX_STDERR)
		words_add(&l->words, bytes, len);
	return spool_output(l->p->spool,
	    from == SANDBOX_STDOUT ? "stdout" : "stderr", bytes, len, e);
}

/* The last lines of a text, clean, at most TAIL_MAX bytes. */
static void
copy_tail(struct buf *out, const char *text, size_t len)
{
	size_t skip = len > TAIL_MAX ? len - TAIL_MAX : 0;

	/* Not from the middle of a character, and not an empty end. */
	while (skip > 0 && skip < len && (text[skip] & 0xc0) == 0x80)
		skip++;
	while (len > skip && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len > skip)
		utf8_clean(out, text + skip, len - skip);
}

/* Failed (D19): its own reason, else the end of what it printed. */
static int
fail_agent(struct pipeline *p, const struct listener *l, int code,
    struct err *e)
{
	struct buf said = BUF(4 * TAIL_MAX);
	int rc;

	if (p->report.reason[0] != '\0')
		buf_puts(&said, p->report.reason);
	else if (l->tail.len > 0)
		copy_tail(&said, l->tail.data, l->tail.len);
	else
		copy_tail(&said, p->report.words, strlen(p->report.words));
	if (code != 0)
		rc = pipeline_fail(p, "agent_failed", e,
		    "The agent failed with status %d%s%s", code,
		    said.len > 0 ? ": " : ".", said.len > 0 ? said.data : "");
	else
		rc = pipeline_fail(p, "agent_failed", e,
		    "The agent ended without success%s%s",
		    said.len > 0 ? ": " : ".", said.len > 0 ? said.data : "");
	buf_clear(&said);
	return rc;
}

/* What came of it: its words, and whether it was a success. */
static int
judge(struct pipeline *p, struct listener *l, const struct sandbox_end *end,
    struct err *e)
{
	words_end(&l->words);
	if (spool_output_end(p->spool, e) == -1 ||
	    agent_output_end(l->reader, end->code, &p->report, e) == -1)
		return -1;
	if (p->report.words[0] != '\0' &&
	    text_set(&p->result->message, p->report.words, e) == -1)
		return -1;
	if (pipeline_cut(p, end, "The agent", "AGENT_TIMEOUT_S", e))
		return 0;
	if (!p->report.success)
		return fail_agent(p, l, end->code, e);
	return 0;
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
run_agent(struct pipeline *p, struct listener *l, struct err *e)
{
	static const char *const argv[] = { "/bin/sh", AGENT_SCRIPT, NULL };
	char chosen[AGENT_NAME_MAX + 32];
	const char *env[SECRETS_ENV_MAX + 4] = { chosen,
		"TASKMILL_PROMPT_FILE=" AGENT_PROMPT };
	const struct sandbox_cmd cmd = { .argv = argv,
		.cwd = SANDBOX_REPO,
		.env = env,
		.network = has_network(p),
		.limit_s = (unsigned int)p->spec->agent_limit_s,
		/* The other half is for what comes after (row 41). */
		.grace_ms = (unsigned int)p->spec->cancel_grace_ms / 2,
		.output = hear,
		.ctx = l,
		.stop = asked_to_stop };
	struct sandbox_end end;

	(void)snprintf(chosen, sizeof(chosen), "TASKMILL_AGENT=%s",
	    p->spec->agent);
	(void)add_secrets(p, env, 2);
	/* In the cloud nobody can tell that it has done nothing yet. */
	p->agent_ran = pipeline_in_cloud(p);
	if (sandbox_run(p->sb, &cmd, &end, e) == -1)
		return pipeline_sandbox_error(p, e);
	p->agent_ran = true;
	return judge(p, l, &end, e);
}

int
step_agent(struct pipeline *p, struct err *e)
{
	struct listener l = { .p = p, .tail = BUF(TAIL_MAX) };
	int rc = -1;

	if (find_agent(p, e) == -1)
		return pipeline_fail(p, "agent_missing", e,
		    "The agent \"%s\" cannot be used here.", p->spec->agent);
	if (put_files(p, e) == -1)
		return pipeline_sandbox_error(p, e);
	if (agent_output_open(&l.reader, p->agent.output, e) == 0 &&
	    agent_output_redact(l.reader, p->redact, e) == 0 &&
	    words_open(&l.words, p->redact, &l.tail, true, e) == 0)
		rc = run_agent(p, &l, e);
	words_close(&l.words);
	agent_output_close(l.reader);
	buf_clear(&l.tail);
	return rc;
}
