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
		"{\"title\":\"T\",\"script\":\"run\",\"output\":\"json-lines\"}",
		"{" PLAIN ",\"events\":\"e.json\"}",
		"{" PLAIN ",\"needs\":[\"a\"]}", "{" PLAIN ",\"model\":\"-m\"}",
		"{" PLAIN ",\"install\":\"install\"}",
		"{" PLAIN ",\"install\":\"../i\",\"version\":\"1\"}",
		"{" PLAIN ",\"install\":\"i\",\"version\":\"1 2\"}",
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

static void
test_models(void **state)
{
	static const char list[] = "claude=sonnet,claude=opus,codex=*,x=a,x=*";
	static const char *const bad[] = { "claude", "claude=", "=a", "a=-m",
		"claude=a b", "Claude=a", "a=b,,c=d", "a=b=c" };
	char name[AGENT_MODEL_MAX + 1];
	struct err e = { 0 };

	(void)state;
	assert_true(agent_model_valid("sonnet[1m]"));
	assert_true(agent_model_valid("anthropic/claude-x.5:free@eu"));
	assert_false(agent_model_valid(""));
	assert_false(agent_model_valid("--model"));
	assert_false(agent_model_valid("a b"));
	assert_false(agent_model_valid("a\nb"));
	assert_false(agent_model_valid("a$(b)"));
	assert_int_equal(agent_models_check("", &e), 0);
	assert_int_equal(agent_models_check(list, &e), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(agent_models_check(bad[i], &e), -1);
	assert_true(agent_models_allow(list, "claude", "opus"));
	assert_false(agent_models_allow(list, "claude", "haiku"));
	assert_false(agent_models_allow(list, "claude", "opu"));
	assert_true(agent_models_allow(list, "codex", "any"));
	assert_true(agent_models_allow(list, "x", "b"));
	assert_true(agent_models_allow(list, "other", "any"));
	assert_true(agent_models_default(list, "claude", name));
	assert_string_equal(name, "sonnet");
	assert_false(agent_models_default(list, "codex", name));
	assert_true(agent_models_default(list, "x", name));
	assert_string_equal(name, "a");
}

/* AGENTS says who may be chosen, hidden or not. */
static void
test_offer(void **state)
{
	struct agent_list l;
	struct err e = { 0 };

	(void)state;
	write_manifest("a", "{" PLAIN "}");
	write_manifest("b", "{" PLAIN ",\"hidden\":true}");
	assert_int_equal(agent_list_read(&l, share, &e), 0);
	assert_int_equal(agent_list_offer(&l, "", &e), 0);
	assert_non_null(agent_list_find(&l, "a"));
	assert_null(agent_list_find(&l, "b"));
	assert_int_equal(agent_list_offer(&l, "b", &e), 0);
	assert_null(agent_list_find(&l, "a"));
	assert_non_null(agent_list_find(&l, "b"));
	assert_int_equal(agent_list_offer(&l, "b,a", &e), 0);
	assert_non_null(agent_list_find(&l, "a"));
	assert_int_equal(agent_list_offer(&l, "a,c", &e), -1);
	assert_non_null(strstr(e.text, "\"c\""));
	agent_list_clear(&l);
}

/* Rules are read to the letter, so that a misspelt one is noticed. */
static void
test_rules(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"rules\":{}}",
		"{\"rules\":[1]}", "{\"rules\":[{}]}",
		"{\"rules\":[{\"event\":\"none\"}]}",
		"{\"rules\":[{\"event\":\"text\",\"txt\":\"a\"}]}",
		"{\"rules\":[{\"event\":\"text\",\"text\":\"\"}]}",
		"{\"rules\":[{\"event\":\"text\",\"text\":[]}]}",
		"{\"rules\":[{\"event\":\"text\",\"text\":{}}]}",
		"{\"rules\":[{\"event\":\"text\",\"each\":1}]}",
		"{\"rules\":[{\"event\":\"text\",\"line\":[]}]}",
		"{\"rules\":[{\"event\":\"text\",\"last\":1}]}",
		"{\"rules\":[{\"event\":\"text\",\"add\":[\"x\"]}]}",
		"{\"rules\":[],\"ignore\":[{}]}", "{\"rules\":[],\"more\":1}",
		"{\"rules\":[],\"failures\":[{\"code\":\"a\"}]}",
		"{\"rules\":[],\"failures\":[{\"code\":\"a\",\"is\":\"b\"}]}",
		("{\"rules\":[],\"failures\":[{\"code\":\"a\",\"text\":"
		 "\"b\",\"is\":\"agent_key\"}]}") };
	struct agent_rules *r;
	struct err e = { 0 };
	char path[200];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/rules.json", share);
	assert_int_equal(agent_rules_read(&r, path, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(file_replace(AT_FDCWD, path, bad[i],
				     strlen(bad[i]), 0600, &e),
		    0);
		if (agent_rules_read(&r, path, &e) != -1)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.kind, ERR_INVALID);
	}
	agent_rules_free(NULL);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_manifest),
		TEST(test_list),
		TEST(test_models),
		TEST(test_offer),
		TEST(test_rules),
		TEST(test_shipped_agents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
