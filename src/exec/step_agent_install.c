/* The agent's program, in a cloud sandbox whose template lacks it. */
#include <stdio.h>
#include <string.h>

#include "exec/step_agent.h"

#define INSTALL SANDBOX_HOME "/agent-install"
#define FETCH SANDBOX_HOME "/fetch-npm.sh"
#define INSTALL_LIMIT_S 120 /* when the spec says nothing */
#define VARIABLE_MAX 600

struct installing {
	struct pipeline *p;
	struct words words;
};

static int
hear(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct installing *in = ctx;

	words_add(&in->words, bytes, len);
	return spool_output(in->p->spool,
	    from == SANDBOX_STDOUT ? "stdout" : "stderr", bytes, len, e);
}

static bool
asked_to_stop(void *ctx)
{
	const struct installing *in = ctx;

	return in->p->stop(in->p->ctx);
}

/* The last line of what was said. */
static const char *
last_line(struct buf *said)
{
	char *nl;

	while (said->len > 0 && said->data[said->len - 1] == '\n')
		said->data[--said->len] = '\0';
	if (said->len == 0)
		return "it did not say why";
	nl = strrchr(said->data, '\n');
	return nl == NULL ? said->data : nl + 1;
}

/* Without secrets: it needs none, and runs what comes from elsewhere. */
static int
run_install(struct installing *in, struct sandbox_end *end, struct err *e)
{
	static const char *const argv[] = { "/bin/sh", INSTALL, NULL };
	const struct spec *s = in->p->spec;
	char version[VARIABLE_MAX], registry[VARIABLE_MAX];
	const char *env[] = { version, "TASKMILL_FETCH=" FETCH, NULL, NULL };
	const struct sandbox_cmd cmd = { .argv = argv,
		.env = env,
		.network = true,
		.limit_s = (unsigned int)(s->agent_install_limit_s > 0
			? s->agent_install_limit_s
			: INSTALL_LIMIT_S),
		.output = hear,
		.ctx = in,
		.stop = asked_to_stop };

	(void)snprintf(version, sizeof(version), "TASKMILL_AGENT_VERSION=%s",
	    in->p->agent.version);
	(void)snprintf(registry, sizeof(registry), "TASKMILL_REGISTRY=%s",
	    s->agent_registry);
	if (s->agent_registry[0] != '\0')
		env[2] = registry;
	return sandbox_run(in->p->sb, &cmd, end, e);
}

/* Sets p->over if it is not there now. */
static int
conclude(struct pipeline *p, const struct sandbox_end *end, struct buf *said,
    struct err *e)
{
	char what[128];

	(void)snprintf(what, sizeof(what), "Installing %.80s", agent_title(p));
	if (pipeline_cut(p, end, what, "AGENT_INSTALL_TIMEOUT_S", e) ||
	    end->code == 0)
		return 0;
	return pipeline_fail(p, "agent_missing", e,
	    "%s is not in the sandbox's template, and could not be installed: "
	    "%s. The administrator can build a template that has it "
	    "(share/e2b-template).",
	    agent_title(p), last_line(said));
}

int
agent_install(struct pipeline *p, struct err *e)
{
	struct buf said = BUF(AGENT_TAIL_MAX);
	struct installing in = { .p = p };
	struct sandbox_end end = { 0 };
	int rc = -1;

	if (!pipeline_in_cloud(p) || p->agent.install == NULL)
		return 0;
	if (words_open(&in.words, p->redact, &said, true, e) == -1)
		return -1;
	if (agent_put_script(p, p->agent.install, false, INSTALL, e) == -1 ||
	    agent_put_script(p, "fetch-npm.sh", true, FETCH, e) == -1 ||
	    run_install(&in, &end, e) == -1) {
		rc = pipeline_sandbox_error(p, e);
	} else {
		words_end(&in.words);
		rc = spool_output_end(p->spool, e);
		if (rc == 0)
			rc = conclude(p, &end, &said, e);
	}
	words_close(&in.words);
	buf_clear(&said);
	return rc;
}
