/* What comes of the agents' output: events, and a report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agents/agent.h"
#include "agents/output.h"
#include "util/buf.h"
#include "util/encode.h"
#include "util/json.h"

/* An agent of ours (or "text"), and the events that come of its output. */
struct kept {
	struct agent agent;
	struct agent_output_spec spec;
	struct buf text; /* one event a line */
	size_t count;
};

static int
keep_event(void *ctx, const char *json, size_t len, struct err *e)
{
	struct kept *k = ctx;
	struct json_object *o = NULL;

	/* Each is JSON by itself. */
	assert_int_equal(json_read(&o, json, len, e), 0);
	json_free(o);
	buf_add(&k->text, json, len);
	buf_putc(&k->text, '\n');
	assert_true(buf_ok(&k->text));
	k->count++;
	return 0;
}

static void
keep(struct kept *k, const char *agent)
{
	const char *srcdir = getenv("srcdir");
	struct err e = { 0 };
	char dir[4096];

	memset(k, 0, sizeof(*k));
	k->text.max = 64 << 20;
	buf_add(&k->text, "", 0);
	(void)snprintf(dir, sizeof(dir), "%s/share",
	    srcdir == NULL ? "." : srcdir);
	if (strcmp(agent, "text") != 0 &&
	    agent_read(&k->agent, dir, agent, &e) == -1)
		fail_msg("%s", e.text);
	k->spec = (struct agent_output_spec){ .rules = k->agent.rules,
		.root = "/home/user/workspace/repo",
		.event = keep_event,
		.ctx = k,
		.max_bytes = 1 << 20 };
}

static void
let_go(struct kept *k)
{
	agent_clear(&k->agent);
	buf_clear(&k->text);
}

/* Feeds text at once, or byte by byte; ends with this code. */
static void
read_output(const char *agent, const char *text, size_t step, int code,
    struct agent_report *r)
{
	struct agent_output *o;
	struct err e = { 0 };
	size_t len = strlen(text);
	struct kept k;

	keep(&k, agent);
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(agent_output_feed(o, text + at,
				     len - at < step ? len - at : step, &e),
		    0);
	assert_int_equal(agent_output_end(o, code, r, &e), 0);
	agent_output_close(o);
	let_go(&k);
}

static void
test_text(void **state)
{
	struct agent_report r;

	(void)state;
	read_output("text", "{\"a\":1}\nhello \xff\n\n", 3, 0, &r);
	assert_true(r.success);
	assert_string_equal(r.words, "{\"a\":1}\nhello \xef\xbf\xbd");
	agent_report_clear(&r);
	read_output("text", "", 1, 1, &r);
	assert_false(r.success);
	assert_string_equal(r.words, "");
	agent_report_clear(&r);
}

static const char claude_good[] =
    "warning: something\n"
    "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s-1\"}\n"
    "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\","
    "\"text\":\"I will.\"}]},\"session_id\":\"s-1\"}\n"
    "{\"type\":\"user\",\"message\":{\"content\":[]}}\n"
    "{\"type\":\"later_version\",\"x\":[1.5]}\n"
    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,"
    "\"num_turns\":2,\"result\":\"final \\\"total_cost_usd\\\":9 text\","
    "\"session_id\":\"s-1\",\"total_cost_usd\":0.001437,\"usage\":{"
    "\"input_tokens\":200,\"cache_read_input_tokens\":40,"
    "\"output_tokens\":50}}\n";

static void
test_claude(void **state)
{
	struct agent_report r;

	(void)state;
	for (size_t step = 1; step < 2000; step += 333) {
		read_output("claude", claude_good, step, 0, &r);
		assert_true(r.success);
		assert_string_equal(r.words, "final \"total_cost_usd\":9 text");
		assert_string_equal(r.session, "s-1");
		assert_true(r.input_tokens == 200 && r.cached_tokens == 40);
		assert_true(r.output_tokens == 50 && r.turns == 2);
		assert_int_equal(r.cost_micro_usd, 1437);
		agent_report_clear(&r);
	}
	read_output("claude", claude_good, 100, 143, &r);
	assert_false(r.success);
	agent_report_clear(&r);
}

/* The table of agent failures: the exit code alone does not tell. */
static void
test_claude_failures(void **state)
{
	struct agent_report r;

	(void)state;
	read_output("claude",
	    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,"
	    "\"result\":\"Invalid API key\"}",
	    9, 0, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Invalid API key");
	agent_report_clear(&r);
	read_output("claude",
	    "{\"type\":\"result\",\"subtype\":\"error_max_budget_usd\","
	    "\"is_error\":true,\"errors\":[\"Reached maximum\\nbudget\"]}",
	    9, 1, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Reached maximum budget");
	agent_report_clear(&r);
	read_output("claude",
	    "{\"type\":\"result\",\"subtype\":\"error_max_turns\","
	    "\"is_error\":false}",
	    9, 0, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "error_max_turns");
	assert_int_equal(r.cost_micro_usd, -1);
	agent_report_clear(&r);
	/* No result line; what is no JSON is kept as words. */
	read_output("claude", "{\"type\":\"system\"}\n{half\nlogged out", 5, 0,
	    &r);
	assert_false(r.success);
	assert_string_equal(r.words, "{half\nlogged out");
	agent_report_clear(&r);
}

static void
test_codex(void **state)
{
	struct agent_report r;
	static const char start[] =
	    "{\"type\":\"thread.started\",\"thread_id\":\"01a2\"}\n"
	    "{\"type\":\"turn.started\"}\n"
	    "{\"type\":\"item.completed\",\"item\":{\"id\":\"item_0\","
	    "\"type\":\"error\",\"message\":\"a notice\"}}\n"
	    "{\"type\":\"item.completed\",\"item\":{\"type\":"
	    "\"agent_message\",\"text\":\"done it\"}}\n"
	    "{\"type\":\"error\",\"message\":\"Reconnecting... 2/5\"}\n";
	char text[1000];

	(void)state;
	(void)snprintf(text, sizeof(text),
	    "%s{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":240,"
	    "\"cached_input_tokens\":60,\"output_tokens\":80,"
	    "\"reasoning_output_tokens\":16}}\n",
	    start);
	read_output("codex", text, 7, 0, &r);
	assert_true(r.success);
	assert_string_equal(r.words, "done it");
	assert_string_equal(r.session, "01a2");
	assert_string_equal(r.reason, "");
	assert_true(r.input_tokens == 240 && r.cached_tokens == 60);
	assert_true(r.output_tokens == 80 && r.reasoning_tokens == 16);
	agent_report_clear(&r);

	(void)snprintf(text, sizeof(text),
	    "%s{\"type\":\"turn.failed\",\"error\":{\"message\":"
	    "\"Quota exceeded.\"}}\n",
	    start);
	read_output("codex", text, 50, 1, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Quota exceeded.");
	agent_report_clear(&r);
	read_output("codex", start, 50, 0, &r);
	assert_false(r.success);
	agent_report_clear(&r);
}

/* Row 30: a line of 10 MB costs a bounded piece of memory, and no more. */
static void
test_long_lines(void **state)
{
	struct agent_output *o;
	struct agent_report r;
	struct err e = { 0 };
	static char piece[1 << 20];
	struct kept k;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	keep(&k, "codex");
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	assert_int_equal(agent_output_feed(o, "{", 1, &e), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(agent_output_feed(o, piece, sizeof(piece), &e),
		    0);
	assert_int_equal(
	    agent_output_feed(o, "\n{\"type\":\"turn.completed\"}\n", 27, &e),
	    0);
	assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
	assert_true(r.success);
	assert_string_equal(r.words, "");
	agent_report_clear(&r);
	agent_output_close(o);
	assert_non_null(strstr(k.text.data, "too long"));
	let_go(&k);

	keep(&k, "text");
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(agent_output_feed(o, piece, sizeof(piece), &e),
		    0);
	assert_int_equal(agent_output_feed(o, "end", 3, &e), 0);
	assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
	assert_int_equal(strlen(r.words), AGENT_WORDS_MAX);
	assert_string_equal(r.words + AGENT_WORDS_MAX - 3, "end");
	agent_report_clear(&r);
	agent_output_close(o);
	let_go(&k);
}

#define SECRET "sk-ant-0123456789"
#define SECRET_LEN (sizeof(SECRET) - 1)

/* A report on a secret with pad bytes before it, and after more bytes. */
static void
report_on(const char *kind, const char *head, size_t pad, size_t after,
    const char *tail)
{
	struct agent_output *o;
	struct agent_report report = { 0 };
	struct redact *r;
	struct err e = { 0 };
	struct buf text = BUF(1 << 20);
	struct kept k;

	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, SECRET, SECRET_LEN, &e), 0);
	buf_puts(&text, head);
	memset(buf_reserve(&text, pad), '.', pad);
	text.len += pad;
	buf_puts(&text, SECRET);
	memset(buf_reserve(&text, after), '.', after);
	text.len += after;
	buf_puts(&text, tail);
	keep(&k, kind);
	k.spec.redact = r;
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	for (size_t i = 0; i < text.len; i += 4099)
		assert_int_equal(agent_output_feed(o, text.data + i,
				     text.len - i < 4099 ? text.len - i : 4099,
				     &e),
		    0);
	assert_int_equal(agent_output_end(o, 1, &report, &e), 0);
	for (size_t i = 0; i + 4 <= SECRET_LEN; i++) {
		char part[5] = { 0 };

		memcpy(part, &SECRET[i], 4);
		assert_null(strstr(report.words, part));
		assert_null(strstr(report.reason, part));
		assert_null(strstr(report.session, part));
		assert_null(strstr(k.text.data, part));
	}
	let_go(&k);
	agent_report_clear(&report);
	agent_output_close(o);
	buf_clear(&text);
	redact_free(r);
}

static void
test_secrets_at_the_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i <= SECRET_LEN + 2; i++) {
		report_on("text", "", 10, AGENT_WORDS_MAX - i, "");
		report_on("text", "", 10, 2 * AGENT_WORDS_MAX - i, "");
		report_on("claude",
		    "{\"type\":\"result\",\"subtype\":\"error\",\"is_error\":"
		    "true,\"result\":\"",
		    10, AGENT_WORDS_MAX - i, "\"}\n");
		report_on("claude",
		    "{\"type\":\"result\",\"subtype\":\"error\",\"is_error\":"
		    "true,\"result\":\"",
		    AGENT_REASON_MAX - i, 10, "\"}\n");
		report_on("codex", "{\"type\":\"error\",\"message\":\"",
		    AGENT_REASON_MAX - i, 10, "\"}\n");
		report_on("codex",
		    "{\"type\":\"thread.started\",\"thread_id\":\"", 80 - i, 10,
		    "\"}\n");
	}
}

#define CLAUDE_END(is_error, status, text)                                    \
	"{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":" is_error \
	",\"api_error_status\":" status ",\"result\":\"" text "\"}\n"
#define CODEX_END(text) \
	"{\"type\":\"turn.failed\",\"error\":{\"message\":\"" text "\"}}\n"

/* The events of one line or more, as they are sent. */
static void
expect(const char *agent, const char *lines, const char *events)
{
	struct agent_report r;
	struct agent_output *o;
	struct err e = { 0 };
	size_t len = strlen(lines);

	/* However the bytes are cut. */
	for (size_t step = 1; step <= len; step = step * 7 + 3) {
		struct kept k;

		keep(&k, agent);
		assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
		for (size_t at = 0; at < len; at += step)
			assert_int_equal(agent_output_feed(o, lines + at,
					     len - at < step ? len - at : step,
					     &e),
			    0);
		assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
		assert_string_equal(k.text.data, events);
		agent_report_clear(&r);
		agent_output_close(o);
		let_go(&k);
	}
}

static void
test_events(void **state)
{
	(void)state;
	expect("claude",
	    "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\","
	    "\"model\":\"m\",\"claude_code_version\":\"2\"}\n"
	    "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\"}\n"
	    "{\"type\":\"assistant\",\"message\":{\"content\":["
	    "{\"type\":\"thinking\",\"thinking\":\"hm\"},"
	    "{\"type\":\"text\",\"text\":\"a\\nb\"},"
	    "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Write\",\"input\":"
	    "{\"file_path\":\"/home/user/workspace/repo/d/f\"}}]}}\n"
	    "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":"
	    "\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":"
	    "\"text\",\"text\":\"x\"},{\"type\":\"text\",\"text\":\"y\"}],"
	    "\"is_error\":true}]}}\n"
	    "{\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,"
	    "\"max_retries\":2,\"retry_delay_ms\":570.69,\"error_status\":529,"
	    "\"error\":\"overloaded\"}\n",
	    "{\"type\":\"session\",\"session\":\"s\",\"model\":\"m\","
	    "\"version\":\"2\"}\n"
	    "{\"type\":\"text\",\"text\":\"a\\nb\"}\n"
	    "{\"type\":\"reasoning\",\"text\":\"hm\"}\n"
	    "{\"type\":\"tool_start\",\"id\":\"t\",\"tool\":\"Write\","
	    "\"input\":\"{\\\"file_path\\\":"
	    "\\\"/home/user/workspace/repo/d/f\\\"}\"}\n"
	    "{\"type\":\"file_change\",\"id\":\"t\",\"path\":\"d/f\"}\n"
	    "{\"type\":\"tool_end\",\"id\":\"t\",\"output\":\"x\\ny\","
	    "\"failed\":true}\n"
	    "{\"type\":\"retry\",\"attempt\":1,\"attempts\":2,"
	    "\"wait_ms\":571,\"status\":529,\"code\":\"overloaded\"}\n");
	expect("codex",
	    "{\"type\":\"item.started\",\"item\":{\"id\":\"i\",\"type\":"
	    "\"command_execution\",\"command\":\"ls\",\"exit_code\":null}}\n"
	    "{\"type\":\"item.completed\",\"item\":{\"id\":\"i\",\"type\":"
	    "\"command_execution\",\"aggregated_output\":\"no\","
	    "\"exit_code\":2,\"status\":\"failed\"}}\n"
	    "{\"type\":\"item.completed\",\"item\":{\"type\":\"file_change\","
	    "\"changes\":[{\"path\":\"/a\",\"kind\":\"add\"},{\"path\":"
	    "\"/b\",\"kind\":\"delete\"}]}}\n"
	    "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":3}}\n",
	    "{\"type\":\"tool_start\",\"id\":\"i\","
	    "\"tool\":\"command_execution\",\"input\":\"ls\"}\n"
	    "{\"type\":\"tool_end\",\"id\":\"i\",\"output\":\"no\","
	    "\"failed\":true,\"exit_code\":2}\n"
	    "{\"type\":\"file_change\",\"path\":\"/a\",\"change\":\"add\"}\n"
	    "{\"type\":\"file_change\",\"path\":\"/b\","
	    "\"change\":\"delete\"}\n"
	    "{\"type\":\"usage\",\"input_tokens\":3,\"turns\":1}\n"
	    "{\"type\":\"result\",\"ok\":true}\n");
}

/* opencode's numbers are per step: they are added up. */
static void
test_opencode(void **state)
{
	static const char step[] =
	    "{\"type\":\"step_finish\",\"sessionID\":\"s\",\"part\":{"
	    "\"reason\":\"%s\",\"tokens\":{\"input\":100,\"output\":25,"
	    "\"cache\":{\"read\":20}},\"cost\":0.0007185}}\n";
	char text[1000];
	struct agent_report r;
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), step, "tool-calls");
	(void)snprintf(text + n, sizeof(text) - (size_t)n, step, "stop");
	read_output("opencode", text, 9, 0, &r);
	assert_true(r.success);
	assert_string_equal(r.session, "s");
	assert_true(r.input_tokens == 200 && r.cached_tokens == 40);
	assert_true(r.output_tokens == 50 && r.turns == 2);
	assert_int_equal(r.cost_micro_usd, 1438);
	agent_report_clear(&r);
	(void)snprintf(text, sizeof(text), step, "tool-calls");
	read_output("opencode", text, 9, 0, &r);
	assert_false(r.success);
	agent_report_clear(&r);
}

/* The table of classes: codes first, then statuses, then texts. */
static void
test_failures(void **state)
{
	static const struct {
		const char *agent, *lines, *failure;
	} rows[] = {
		{ "claude", CLAUDE_END("true", "401", "no"), "agent_key" },
		{ "claude", CLAUDE_END("true", "429", "no"), "agent_rate" },
		{ "claude", CLAUDE_END("true", "529", "no"), "agent_rate" },
		{ "claude", CLAUDE_END("true", "400", "no"), "agent_failed" },
		{ "claude", CLAUDE_END("true", "null", "authentication"),
		    "agent_failed" },
		{ "claude",
		    "{\"type\":\"assistant\",\"message\":{},\"error\":"
		    "\"billing_error\"}\n" CLAUDE_END("true", "400", "x"),
		    "agent_quota" },
		{ "claude",
		    "{\"type\":\"assistant\",\"message\":{},\"error\":"
		    "\"authentication_failed\"}\n" CLAUDE_END("true", "null",
			"Not logged in"),
		    "agent_key" },
		/* What it got over is not why it failed. */
		{ "claude",
		    "{\"type\":\"system\",\"subtype\":\"api_retry\","
		    "\"error_status\":529,\"error\":\"overloaded\"}\n"
		    "{\"type\":\"assistant\",\"message\":{\"content\":[{"
		    "\"type\":\"text\",\"text\":\"on\"}]}}\n" CLAUDE_END("true",
			"null", "x"),
		    "agent_failed" },
		{ "claude",
		    "{\"type\":\"result\",\"subtype\":\"error_max_turns\","
		    "\"is_error\":true}\n",
		    "agent_limit" },
		{ "codex", CODEX_END("unexpected status 401 Unauthorized"),
		    "agent_key" },
		{ "codex", CODEX_END("Missing environment variable: `K`."),
		    "agent_key" },
		{ "codex", CODEX_END("Quota exceeded. Check your plan"),
		    "agent_quota" },
		{ "codex",
		    CODEX_END("exceeded retry limit, last status: 429 Too"),
		    "agent_rate" },
		{ "codex", CODEX_END("unexpected status 503 Service"),
		    "agent_rate" },
		{ "codex", CODEX_END("something else"), "agent_failed" },
		{ "opencode",
		    "{\"type\":\"error\",\"error\":{\"name\":\"APIError\","
		    "\"data\":{\"message\":\"m\",\"statusCode\":401}}}\n",
		    "agent_key" },
	};
	struct agent_report r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		read_output(rows[i].agent, rows[i].lines, 100, 1, &r);
		assert_false(r.success);
		if (strcmp(r.failure, rows[i].failure) != 0)
			fail_msg("%s is no %s", rows[i].lines, r.failure);
		agent_report_clear(&r);
	}
}

/* What strict JSON refuses is mended where that is certain, and else text. */
static void
test_broken_lines(void **state)
{
	(void)state;
	expect("codex",
	    "{\"type\":\"item.completed\",\"item\":{\"type\":"
	    "\"agent_message\",\"text\":\"a\\ud83d b\\u0000c \xff "
	    "\\ud83d\\ude00 \\\\u0000\"}}\n",
	    "{\"type\":\"text\",\"text\":\"a\xef\xbf\xbd "
	    "b\xef\xbf\xbd"
	    "c \xef\xbf\xbd \xf0\x9f\x98\x80 \\\\u0000\"}\n");
	expect("codex", "{half\n\n[1]\n{\"type\":\"new\"}\nwords \xff",
	    "{\"type\":\"text\",\"text\":\"{half\",\"raw\":true}\n"
	    "{\"type\":\"text\",\"text\":\"[1]\",\"raw\":true}\n"
	    "{\"type\":\"text\",\"text\":\"{\\\"type\\\":\\\"new\\\"}\","
	    "\"raw\":true}\n"
	    "{\"type\":\"text\",\"text\":\"words \xef\xbf\xbd\","
	    "\"raw\":true}\n");
	/* Values of other types than expected are what they are, or nothing. */
	expect("codex",
	    "{\"type\":\"item.completed\",\"item\":{\"type\":"
	    "\"agent_message\",\"text\":{\"a\":[1,null]}}}\n"
	    "{\"type\":\"item.completed\",\"item\":[]}\n"
	    "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":-1,"
	    "\"output_tokens\":1e300,\"cached_input_tokens\":\"x\"}}\n",
	    "{\"type\":\"text\",\"text\":\"{\\\"a\\\":[1,null]}\"}\n"
	    "{\"type\":\"usage\",\"turns\":1}\n"
	    "{\"type\":\"result\",\"ok\":true}\n");
}

/* Bounded in number and in size, and the end is told all the same. */
static void
test_too_many_events(void **state)
{
	static const char line[] =
	    "{\"type\":\"item.completed\",\"item\":{\"type\":"
	    "\"agent_message\",\"text\":\"x\"}}\n";
	static char longest[AGENT_LINE_MAX];
	struct agent_report r;
	struct agent_output *o;
	struct err e = { 0 };
	struct kept k;

	(void)state;
	keep(&k, "codex");
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	memset(longest, 'y', sizeof(longest));
	memcpy(longest, line, sizeof(line) - 6);
	memcpy(longest + sizeof(longest) - 4, "\"}}\n", 4);
	assert_int_equal(agent_output_feed(o, longest, sizeof(longest), &e), 0);
	assert_int_equal(k.count, 1);
	assert_true(k.text.len < AGENT_TEXT_MAX + 100);
	assert_non_null(strstr(k.text.data, "\"cut\":true"));
	for (int i = 0; i < AGENT_EVENTS_MAX + 1000; i++)
		assert_int_equal(
		    agent_output_feed(o, line, sizeof(line) - 1, &e), 0);
	assert_int_equal(k.count, AGENT_EVENTS_MAX + 1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(agent_output_feed(o,
				     "{\"type\":\"turn.completed\"}\n", 26, &e),
		    0);
	assert_true(k.count < AGENT_EVENTS_MAX + 200);
	assert_non_null(strstr(k.text.data, "\"ok\":true"));
	assert_true(agent_output_finished(o));
	assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
	assert_true(r.success);
	assert_int_equal(r.turns, 1000);
	agent_report_clear(&r);
	agent_output_close(o);
	let_go(&k);
}

/* A secret that JSON escapes, in a value, in a tool's input, in a bad line. */
static void
test_escaped_secret(void **state)
{
	static const char secret[] = "a\"b\\c/d0123";
	static const char form[] = "a\\\"b\\\\c\\/d0123";
	static const char *const lines[] = {
		"{\"type\":\"item.completed\",\"item\":{\"type\":"
		"\"agent_message\",\"text\":\"x%s\"}}\n",
		"{\"type\":\"item.started\",\"item\":{\"type\":"
		"\"mcp_tool_call\",\"arguments\":{\"k\":\"%s\"}}}\n",
		"{\"type\":\"unknown\",\"text\":\"%s\"}\n",
	};
	struct redact *redact;
	struct agent_report r;
	struct agent_output *o;
	struct err e = { 0 };
	struct kept k;

	(void)state;
	assert_int_equal(redact_new(&redact, &e), 0);
	assert_int_equal(redact_learn(redact, secret, sizeof(secret) - 1, &e),
	    0);
	keep(&k, "codex");
	k.spec.redact = redact;
	assert_int_equal(agent_output_open(&o, &k.spec, &e), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buf text = BUF(1000);
		const char *at = strstr(lines[i], "%s");

		buf_add(&text, lines[i], (size_t)(at - lines[i]));
		buf_puts(&text, form);
		buf_puts(&text, at + 2);
		assert_int_equal(agent_output_feed(o, text.data, text.len, &e),
		    0);
		buf_clear(&text);
		assert_int_equal(k.count, i + 1);
	}
	assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
	assert_null(strstr(k.text.data, "d0123"));
	assert_null(strstr(r.words, "d0123"));
	agent_report_clear(&r);
	agent_output_close(o);
	let_go(&k);
	redact_free(redact);
}

static int
start(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_claude),
		cmocka_unit_test(test_claude_failures),
		cmocka_unit_test(test_codex),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_secrets_at_the_edges),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_opencode),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_too_many_events),
		cmocka_unit_test(test_escaped_secret),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
