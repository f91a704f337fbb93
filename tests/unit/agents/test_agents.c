/* Manifests, the list of agents, and the readers of their output. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agents/agent.h"
#include "agents/output.h"
#include "util/encode.h"
#include "util/file.h"

static char share[] = "/tmp/tm-agents-XXXXXX";

static void
write_manifest(const char *name, const char *text)
{
	char path[200];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/agents/%s", share, name);
	assert_int_equal(dir_make(path, 0700, &e), 0);
	(void)snprintf(path, sizeof(path), "%s/agents/%s/agent.json", share,
	    name);
	assert_int_equal(
	    file_replace(AT_FDCWD, path, text, strlen(text), 0600, &e), 0);
}

static int
setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)snprintf(share, sizeof(share), "/tmp/tm-agents-XXXXXX");
	return encode_init(&e) == 0 && mkdtemp(share) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct err e = { 0 };

	(void)state;
	return dir_remove(AT_FDCWD, share, &e);
}

#define PLAIN "\"title\":\"T\",\"script\":\"run\",\"output\":\"text\""

static void
test_names(void **state)
{
	(void)state;
	assert_true(agent_name_valid("claude"));
	assert_true(agent_name_valid("a-9"));
	assert_false(agent_name_valid(""));
	assert_false(agent_name_valid("-a"));
	assert_false(agent_name_valid(".."));
	assert_false(agent_name_valid("A"));
	assert_false(agent_name_valid("a/b"));
	assert_false(
	    agent_name_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void
test_manifest(void **state)
{
	struct agent a;
	struct err e = { 0 };
	static const char *const bad[] = { "", "[]", "{}", "{" PLAIN "",
		"{" PLAIN ",\"netwrok\":true}", "{" PLAIN ",\"network\":1}",
		"{" PLAIN ",\"env\":\"A\"}", "{" PLAIN ",\"env\":[\"a b\"]}",
		"{" PLAIN ",\"env\":[\"1A\"]}", "{" PLAIN ",\"env\":[1]}",
		"{" PLAIN ",\"simulated_by\":\"../x\"}",
		"{\"title\":\"\",\"script\":\"run\",\"output\":\"text\"}",
		"{\"title\":\"T\",\"script\":\"../run\",\"output\":\"text\"}",
		"{\"title\":\"T\",\"script\":\".run\",\"output\":\"text\"}",
		"{\"title\":\"T\",\"script\":\"run\",\"output\":\"xml\"}",
		"{\"title\":\"T\",\"output\":\"text\"}" };

	(void)state;
	assert_int_equal(agent_read(&a, share, "none", &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_manifest("x", bad[i]);
		assert_int_equal(agent_read(&a, share, "x", &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
	}
	write_manifest("x",
	    "{" PLAIN ",\"env\":[\"A_KEY\",\"B\"],\"network\":true,"
	    "\"simulated_by\":\"sim\",\"hidden\":true}");
	assert_int_equal(agent_read(&a, share, "x", &e), 0);
	assert_string_equal(a.name, "x");
	assert_string_equal(a.env[1], "B");
	assert_null(a.env[2]);
	assert_true(a.network && a.hidden);
	assert_string_equal(a.simulated_by, "sim");
	agent_clear(&a);
}

static void
test_list(void **state)
{
	struct agent_list l;
	struct err e = { 0 };
	char text[100];

	(void)state;
	assert_int_equal(agent_list_read(&l, share, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	write_manifest("codex", "{" PLAIN ",\"simulated_by\":\"sim\"}");
	write_manifest("claude", "{" PLAIN ",\"simulated_by\":\"sim\"}");
	assert_int_equal(agent_list_read(&l, share, &e), -1); /* no sim */
	write_manifest("sim", "{" PLAIN ",\"hidden\":true}");
	assert_int_equal(agent_list_read(&l, share, &e), 0);
	assert_int_equal(l.count, 3);
	assert_string_equal(l.agents[0].name, "claude");
	assert_string_equal(l.agents[1].name, "codex");
	assert_non_null(agent_list_find(&l, "codex"));
	assert_null(agent_list_find(&l, "sim"));
	assert_null(agent_list_find(&l, "gpt"));
	agent_list_choices(&l, text, sizeof(text));
	assert_string_equal(text,
	    "model must be either \"claude\" or \"codex\"");
	agent_list_clear(&l);

	write_manifest("aider", "{" PLAIN "}");
	assert_int_equal(agent_list_read(&l, share, &e), 0);
	agent_list_choices(&l, text, sizeof(text));
	assert_string_equal(text,
	    "model must be \"claude\", \"codex\" or \"aider\"");
	agent_list_choices(&l, text, 24);
	assert_int_equal(strlen(text), 23);
	agent_list_clear(&l);
}

/* Feeds text at once, or byte by byte; ends with this code. */
static void
read_output(const char *kind, const char *text, size_t step, int code,
    struct agent_report *r)
{
	struct agent_output *o;
	struct err e = { 0 };
	size_t len = strlen(text);

	assert_int_equal(agent_output_open(&o, kind, &e), 0);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(agent_output_feed(o, text + at,
				     len - at < step ? len - at : step, &e),
		    0);
	assert_int_equal(agent_output_end(o, code, r, &e), 0);
	agent_output_close(o);
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
		read_output("claude-stream-json", claude_good, step, 0, &r);
		assert_true(r.success);
		assert_string_equal(r.words, "final \"total_cost_usd\":9 text");
		assert_string_equal(r.session, "s-1");
		assert_true(r.input_tokens == 200 && r.cached_tokens == 40);
		assert_true(r.output_tokens == 50 && r.turns == 2);
		assert_int_equal(r.cost_micro_usd, 1437);
		agent_report_clear(&r);
	}
	read_output("claude-stream-json", claude_good, 100, 143, &r);
	assert_false(r.success);
	agent_report_clear(&r);
}

/* The table of agent failures: the exit code alone does not tell. */
static void
test_claude_failures(void **state)
{
	struct agent_report r;

	(void)state;
	read_output("claude-stream-json",
	    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,"
	    "\"result\":\"Invalid API key\"}",
	    9, 0, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Invalid API key");
	agent_report_clear(&r);
	read_output("claude-stream-json",
	    "{\"type\":\"result\",\"subtype\":\"error_max_budget_usd\","
	    "\"is_error\":true,\"errors\":[\"Reached maximum\\nbudget\"]}",
	    9, 1, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Reached maximum budget");
	agent_report_clear(&r);
	read_output("claude-stream-json",
	    "{\"type\":\"result\",\"subtype\":\"error_max_turns\","
	    "\"is_error\":false}",
	    9, 0, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "error_max_turns");
	assert_int_equal(r.cost_micro_usd, -1);
	agent_report_clear(&r);
	/* No result line; what is no JSON is kept as words. */
	read_output("claude-stream-json",
	    "{\"type\":\"system\"}\n{half\nlogged out", 5, 0, &r);
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
	read_output("codex-json", text, 7, 0, &r);
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
	read_output("codex-json", text, 50, 1, &r);
	assert_false(r.success);
	assert_string_equal(r.reason, "Quota exceeded.");
	agent_report_clear(&r);
	read_output("codex-json", start, 50, 0, &r);
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

	(void)state;
	memset(piece, 'x', sizeof(piece));
	assert_int_equal(agent_output_open(&o, "codex-json", &e), 0);
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

	assert_int_equal(agent_output_open(&o, "text", &e), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(agent_output_feed(o, piece, sizeof(piece), &e),
		    0);
	assert_int_equal(agent_output_feed(o, "end", 3, &e), 0);
	assert_int_equal(agent_output_end(o, 0, &r, &e), 0);
	assert_int_equal(strlen(r.words), AGENT_WORDS_MAX);
	assert_string_equal(r.words + AGENT_WORDS_MAX - 3, "end");
	agent_report_clear(&r);
	agent_output_close(o);
}

/* Our own folders are valid, and say what the contract wants. */
static void
test_shipped_agents(void **state)
{
	struct agent_list l;
	struct err e = { 0 };
	const char *srcdir = getenv("srcdir");
	char dir[4096], text[100];

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/share",
	    srcdir == NULL ? "." : srcdir);
	if (agent_list_read(&l, dir, &e) == -1)
		fail_msg("%s", e.text);
	agent_list_choices(&l, text, sizeof(text));
	assert_string_equal(text,
	    "model must be either \"claude\" or \"codex\"");
	assert_string_equal(agent_list_find(&l, "claude")->simulated_by,
	    "simulated");
	assert_null(agent_list_find(&l, "simulated"));
	agent_list_clear(&l);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

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

	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, SECRET, SECRET_LEN, &e), 0);
	buf_puts(&text, head);
	memset(buf_reserve(&text, pad), '.', pad);
	text.len += pad;
	buf_puts(&text, SECRET);
	memset(buf_reserve(&text, after), '.', after);
	text.len += after;
	buf_puts(&text, tail);
	assert_int_equal(agent_output_open(&o, kind, &e), 0);
	assert_int_equal(agent_output_redact(o, r, &e), 0);
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
	}
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
		report_on("claude-stream-json",
		    "{\"type\":\"result\",\"subtype\":\"error\",\"is_error\":"
		    "true,\"result\":\"",
		    10, AGENT_WORDS_MAX - i, "\"}\n");
		report_on("claude-stream-json",
		    "{\"type\":\"result\",\"subtype\":\"error\",\"is_error\":"
		    "true,\"result\":\"",
		    AGENT_REASON_MAX - i, 10, "\"}\n");
		report_on("codex-json", "{\"type\":\"error\",\"message\":\"",
		    AGENT_REASON_MAX - i, 10, "\"}\n");
		report_on("codex-json",
		    "{\"type\":\"thread.started\",\"thread_id\":\"", 80 - i, 10,
		    "\"}\n");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_manifest),
		TEST(test_list),
		TEST(test_text),
		TEST(test_claude),
		TEST(test_claude_failures),
		TEST(test_codex),
		TEST(test_long_lines),
		TEST(test_shipped_agents),
		cmocka_unit_test(test_secrets_at_the_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
