/*
 * Output of an agent, chosen by the input, and how it is cut into pieces: no
 * line of it may break the reader, each event is JSON by itself, no event and
 * no report has the secret, and other cuts give the very same events.
 *
 *	byte 0: which agent's rules; byte 1: the cuts; then the output
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/agent.h"
#include "agents/output.h"
#include "util/buf.h"
#include "util/encode.h"
#include "util/json.h"

#define ROOM ((size_t)64 << 20)

static const char secret[] = "sk-\"a\\b/0123456";
static const char *const names[] = { "claude", "codex", "opencode", "text" };

static struct agent agents[4];
static struct redact *redact;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* The agents of the tree, wherever the target is started. */
static void
read_agents(void)
{
	struct err e = { 0 };
	const char *share = FUZZ_SHARE;

	must(encode_init(&e) == 0 && redact_new(&redact, &e) == 0 &&
	    redact_learn(redact, secret, sizeof(secret) - 1, &e) == 0);
	for (size_t i = 0; i < 3; i++) {
		if (agent_read(&agents[i], share, names[i], &e) == -1) {
			(void)fprintf(stderr, "%s\n", e.text);
			abort();
		}
	}
}

static int
keep(void *ctx, const char *json, size_t len, struct err *e)
{
	struct json_object *o = NULL;
	struct buf *out = ctx;

	must(json_read(&o, json, len, e) == 0 && json_is_object(o));
	json_free(o);
	must(memmem(json, len, secret, sizeof(secret) - 1) == NULL);
	buf_add(out, json, len);
	buf_putc(out, '\n');
	return 0;
}

static void
read_all(const struct agent *a, const char *text, size_t len, size_t step,
    struct buf *out)
{
	const struct agent_output_spec spec = { .rules = a->rules,
		.redact = redact,
		.root = "/home/user/workspace/repo",
		.event = keep,
		.ctx = out,
		.max_bytes = ROOM / 4 };
	struct agent_report report = { 0 };
	struct agent_output *o = NULL;
	struct err e = { 0 };

	must(agent_output_open(&o, &spec, &e) == 0);
	for (size_t at = 0; at < len; at += step)
		must(agent_output_feed(o, text + at,
			 len - at < step ? len - at : step, &e) == 0);
	must(agent_output_end(o, 0, &report, &e) == 0);
	must(strstr(report.words, secret) == NULL &&
	    strstr(report.reason, secret) == NULL);
	must(report.failure != NULL);
	must(report.input_tokens >= 0 && report.turns >= 0);
	agent_report_clear(&report);
	agent_output_close(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF(ROOM), cut = BUF(ROOM);
	const struct agent *a;
	const char *text;

	if (redact == NULL)
		read_agents();
	if (size < 2)
		return 0;
	a = &agents[data[0] % 4];
	text = (const char *)data + 2;
	read_all(a, text, size - 2, size, &whole);
	read_all(a, text, size - 2, 1 + data[1] % 64, &cut);
	must(whole.len == cut.len &&
	    (whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0));
	buf_clear(&whole);
	buf_clear(&cut);
	return 0;
}
