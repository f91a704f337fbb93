#include "exec/pipeline.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/step_agent.h"
#include "exec/words.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/json.h"
#include "util/text.h"
#include "util/utf8.h"

#define START_TRIES 3
#define START_PAUSE_MS 1000
#define SCRIPT_MAX ((size_t)64 * 1024)
#define METADATA_MAX ((size_t)8 * 1024 * 1024)
#define ERROR_TEXT ((size_t)2048)
#define FAIL_TEXT ((size_t)16 * 1024 * 1024)

/* Both kinds of runs, in their order. */
/* clang-format off */
static const struct {
	const char *name;
	int (*run)(struct pipeline *p, struct err *e);
	const char *fault; /* passed when the step is done */
	enum {
		OF_TASKS = 1,
		OF_PUBLISHING = 2
	} jobs;
} steps[] = {
	[STEP_SANDBOX] = { "sandbox", step_sandbox, "run.after_open",
	    OF_TASKS | OF_PUBLISHING },
	[STEP_CLONE]   = { "clone",   step_clone,   "run.after_clone",   OF_TASKS },
	[STEP_AGENT]   = { "agent",   step_agent,   "run.after_agent",   OF_TASKS },
	[STEP_COLLECT] = { "collect", step_collect, "run.after_collect", OF_TASKS },
	[STEP_FETCH]   = { "fetch",   step_fetch, "publish.after_fetch", OF_PUBLISHING },
	[STEP_APPLY]   = { "apply",   step_apply, "publish.after_apply", OF_PUBLISHING },
	[STEP_PUSH]    = { "push",    step_push,  "publish.after_push",  OF_PUBLISHING },
};
/* clang-format on */

_Static_assert(sizeof(steps) / sizeof(steps[0]) == STEP_N, "all steps");

static bool
is_of(const struct spec *s, enum step step)
{
	bool publishes = strcmp(s->job, "publish") == 0;

	return (steps[step].jobs & (publishes ? OF_PUBLISHING : OF_TASKS)) != 0;
}

static void put_clean(const struct pipeline *p, struct buf *out,
    const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* Redacted first, and then cut: half a secret would not be known as one. */
static void
put_clean(const struct pipeline *p, struct buf *out, const char *fmt,
    va_list ap)
{
	struct buf whole = BUF(FAIL_TEXT);
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) == -1) {
		out->failed = true;
		return;
	}
	redact_text(p->redact, &whole, text, strlen(text));
	if (!buf_ok(&whole))
		out->failed = true;
	else if (whole.len > ERROR_TEXT)
		buf_add(out, whole.data, utf8_whole(whole.data, ERROR_TEXT));
	else
		buf_add(out, whole.data == NULL ? "" : whole.data, whole.len);
	buf_add(out, "", 0); /* an empty one has no memory */
	buf_clear(&whole);
	free(text);
}

int
pipeline_fail(struct pipeline *p, const char *failure, struct err *e,
    const char *fmt, ...)
{
	struct buf text = BUF(FAIL_TEXT);
	va_list ap;
	int rc = -1;

	va_start(ap, fmt);
	put_clean(p, &text, fmt, ap);
	va_end(ap);
	p->over = true;
	if (!buf_ok(&text))
		rc = err_set(e, ERR_RETRY, "out of memory for an error");
	else if (text_set(&p->result->outcome, "failed", e) == 0 &&
	    text_set(&p->result->failure, failure, e) == 0)
		rc = text_set(&p->result->error, text.data, e);
	buf_clear(&text);
	return rc;
}

int
pipeline_cancel(struct pipeline *p, struct err *e)
{
	p->over = true;
	return text_set(&p->result->outcome, "cancelled", e);
}

/*
 * The account is full, and nothing has begun: the task goes back into the
 * queue. A push has a user who looks at a page that waits, and no agent: its
 * sandbox waits for room by itself.
 */
static bool
is_deferred(const struct pipeline *p)
{
	return strcmp(p->host.failure, "quota") == 0 && p->sb == NULL &&
	    strcmp(p->spec->job, "publish") != 0;
}

static int
defer(struct pipeline *p, const struct err *why, struct err *e)
{
	if (pipeline_fail(p, p->host.failure, e, "%s", why->text) == -1)
		return -1;
	return text_set(&p->result->outcome, SPOOL_DEFERRED, e);
}

int
pipeline_sandbox_error(struct pipeline *p, struct err *e)
{
	struct err why = *e;

	if (p->stop(p->ctx))
		return pipeline_cancel(p, e);
	if (p->host.failure != NULL && is_deferred(p))
		return defer(p, &why, e);
	if (p->host.failure != NULL)
		return pipeline_fail(p, p->host.failure, e, "%s", why.text);
	if (why.kind == ERR_RETRY && p->agent_ran && pipeline_in_cloud(p))
		return pipeline_fail(p, "sandbox_lost", e, "%s", why.text);
	if (why.kind == ERR_RETRY)
		return -1;
	return pipeline_fail(p, "internal", e, "The sandbox failed: %s",
	    why.text);
}

bool
pipeline_in_cloud(const struct pipeline *p)
{
	return strcmp(p->spec->mode, "e2b") == 0;
}

bool
pipeline_cut(struct pipeline *p, const struct sandbox_end *end,
    const char *what, const char *setting, struct err *e)
{
	if (end->stopped) {
		(void)!pipeline_cancel(p, e);
		return true;
	}
	if (!end->cut_off)
		return false;
	(void)!pipeline_fail(p, "timeout", e,
	    "%s was stopped after %u seconds, which is the limit (%s).", what,
	    (end->took_ms + 500) / 1000, setting);
	return true;
}

int
pipeline_put_shared(struct pipeline *p, const char *name, struct err *e)
{
	struct buf text = BUF(SCRIPT_MAX);
	char from[4096], to[128];
	int rc = -1;

	(void)snprintf(from, sizeof(from), "%s/sandbox/%s", p->spec->share_dir,
	    name);
	(void)snprintf(to, sizeof(to), SANDBOX_CONTROL "/%s", name);
	if (file_read(AT_FDCWD, from, &text, e) == 0)
		rc = sandbox_put(p->sb, to, text.data, text.len, 0700, e);
	buf_clear(&text);
	return rc;
}

/* Who listens to a script. */
struct listener {
	struct pipeline *p;
	const struct script *script;
	struct words words;
};

static bool
asked_to_stop(void *ctx)
{
	const struct listener *l = ctx;

	return l->p->stop(l->p->ctx);
}

static int
hear(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct listener *l = ctx;

	(void)e;
	if (from == SANDBOX_STDOUT && l->script->output != NULL)
		l->script->output(l->script->ctx, bytes, len);
	else
		words_add(&l->words, bytes, len);
	return 0;
}

/*
 * Runs a command. Before the agent one that cannot be started leaves the run
 * to another attempt. After it that would be the agent's second run, which it
 * could bring about itself: the same command is tried again instead, and then
 * the run has failed.
 */
static int
run_command(struct pipeline *p, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e)
{
	struct err why;
	int rc = -1;

	for (int i = 0; i < START_TRIES; i++) {
		if ((rc = sandbox_run(p->sb, cmd, end, e)) == 0)
			return 0;
		if (!p->agent_ran || e->kind != ERR_RETRY ||
		    pipeline_in_cloud(p)) /* which has tried again itself */
			return pipeline_sandbox_error(p, e);
		(void)poll(NULL, 0, START_PAUSE_MS);
	}
	why = *e;
	return pipeline_fail(p, "internal", e,
	    "The sandbox failed after the agent had run: %s", why.text);
}

int
pipeline_script(struct pipeline *p, const struct script *s, int *code,
    struct err *e)
{
	char path[128];
	const char *const argv[] = { "/bin/sh", path, NULL };
	struct listener listener = { .p = p, .script = s };
	const struct sandbox_cmd cmd = { .argv = argv,
		.env = s->env,
		.trusted = true,
		.network = s->network,
		.limit_s = s->limit_s,
		.grace_ms = 0, /* it is ours: nothing of it is worth a wait */
		.output = hear,
		.ctx = &listener,
		.stop = asked_to_stop };
	struct sandbox_end end = { 0 };
	int rc;

	(void)snprintf(path, sizeof(path), SANDBOX_CONTROL "/%s", s->name);
	if (words_open(&listener.words, p->redact, s->errors, false, e) == -1)
		return -1;
	rc = run_command(p, &cmd, &end, e);
	if (rc == 0 && !p->over) {
		words_end(&listener.words);
		*code = end.code;
		(void)pipeline_cut(p, &end, s->what, s->setting, e);
	}
	words_close(&listener.words);
	return rc;
}

static int
write_done(struct pipeline *p, enum step s, struct err *e)
{
	char extra[64];

	(void)snprintf(extra, sizeof(extra), "\"took_ms\":%u", p->took_ms[s]);
	return spool_step(p->spool, steps[s].name, p->over ? "failed" : "done",
	    extra, e);
}

/*
 * How long a step has taken. One that a dead runner began counts from there,
 * and one that it ended took what it said.
 */
static unsigned int
took_ms(const struct pipeline *p, enum step s, int64_t mono_ms)
{
	int64_t began_us, took, ms = clock_mono_ms() - mono_ms;

	if (spool_step_told(p->spool, steps[s].name, &began_us, &took))
		ms = took >= 0 ? took : (clock_wall_us() - began_us) / 1000;
	return ms < 0 ? 0 : (unsigned int)ms;
}

static int
run_step(struct pipeline *p, enum step s, struct err *e)
{
	int64_t began = clock_mono_ms();

	/* A sandbox that is there is taken up first, or nobody would end it. */
	if (p->stop(p->ctx) && (s != STEP_SANDBOX || p->memo == NULL))
		return pipeline_cancel(p, e);
	if (spool_step(p->spool, steps[s].name, "started", NULL, e) == -1 ||
	    steps[s].run(p, e) == -1)
		return -1;
	p->took_ms[s] = took_ms(p, s, began);
	FAULT_POINT(steps[s].fault);
	return write_done(p, s, e);
}

static char *
make_metadata(const struct pipeline *p)
{
	struct buf text = BUF(METADATA_MAX);
	struct json_out j;

	json_start(&j, &text);
	json_open(&j);
	json_name_text(&j, "mode", p->spec->mode);
	json_name_text(&j, "agent", p->spec->agent);
	if (p->agent.name[0] != '\0')
		json_name_text(&j, "ran", p->agent.name);
	json_name_text(&j, "sandbox", pipeline_in_cloud(p) ? "e2b" : "local");
	if (!pipeline_in_cloud(p))
		json_name_text(&j, "isolation", p->spec->isolation);
	if (p->base[0] != '\0')
		json_name_text(&j, "base_commit", p->base);
	if (p->branch[0] != '\0')
		json_name_text(&j, "branch", p->branch);
	json_name(&j, "timings_ms");
	json_open(&j);
	for (enum step s = 0; s < STEP_N; s++)
		if (is_of(p->spec, s))
			json_name_int(&j, steps[s].name, p->took_ms[s]);
	json_close(&j);
	agent_put_report(p, &j);
	if (buf_ok(&p->texts) && p->texts.len > 2) {
		json_name(&j, "file_changes");
		json_raw(&j, p->texts.data, p->texts.len);
	}
	json_close(&j);
	if (!buf_ok(&text)) {
		buf_clear(&text);
		return NULL;
	}
	return text.data;
}

int
pipeline_run(struct pipeline *p, struct spool_result *r, struct err *e)
{
	p->result = r;
	for (enum step s = 0; s < STEP_N && !p->over; s++) {
		if (is_of(p->spec, s) && run_step(p, s, e) == -1)
			return err_wrap(e, "%s", steps[s].name);
	}
	if ((r->metadata = make_metadata(p)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory for the result");
	if (!p->over)
		return text_set(&r->outcome, "completed", e);
	return 0;
}

void
pipeline_close(struct pipeline *p)
{
	sandbox_close(p->sb);
	p->sb = NULL;
	buf_clear(&p->texts);
	agent_clear(&p->agent);
	agent_report_clear(&p->report);
}
