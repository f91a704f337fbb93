/* start-task's input: the order of checks, defaults, and the hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/start_input.h"
#include "util/encode.h"

#define PROMPT_MAX 20

static char hosts[] = "github.com,git.example:8443";
static struct config cfg = { .repo_allowed_hosts = hosts,
	.prompt_max_chars = PROMPT_MAX };
static struct agent agents[] = { { .name = "claude" }, { .name = "codex" },
	{ .name = "simulated", .hidden = true } };
static struct api api = { .cfg = &cfg, .agents = { agents, 3 } };

/* Reads a body; the answer's text, "" when it was accepted. */
static const char *
read_one(const char *json, const char *key, struct start_input *in)
{
	static struct err e;
	struct http_request rq = { .idempotency_key = key };
	struct call c = { .api = &api, .rq = &rq };
	static struct json_object *body;

	memset(&e, 0, sizeof(e));
	json_free(body); /* what in borrowed of the last one */
	body = NULL;
	assert_int_equal(body_read(&body, json, strlen(json), &e), 0);
	c.body = body;
	return start_input_read(in, &c, &e) == 0 ? "" : e.text;
}

#define REQUIRED "prompt, repo_url, and github_token are required"
#define MODELS "model must be either \"claude\" or \"codex\""
#define URL "\"repo_url\":\"https://github.com/o/r\""
#define TOK "\"github_token\":\"t\""
#define ALL "\"prompt\":\"p\"," URL "," TOK

static void
answers_in_order(void **state)
{
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{ "{" ALL "}", "" },
		{ "{\"x\":1}", REQUIRED },
		{ "{" URL "," TOK "}", REQUIRED },
		{ "{\"prompt\":\"p\"," TOK "}", REQUIRED },
		{ "{\"prompt\":\"p\"," URL "}", REQUIRED },
		{ "{\"prompt\":\"\"," URL "," TOK "}", REQUIRED },
		{ "{\"prompt\":0," URL "," TOK "}", REQUIRED },
		{ "{\"prompt\":[]," URL "," TOK "}", REQUIRED },
		{ "{\"prompt\":\" \\t\"," URL "," TOK "}", REQUIRED },
		{ "{\"prompt\":5," URL "," TOK "}", "prompt must be a string" },
		{ "{\"prompt\":\"p\",\"repo_url\":5," TOK "}",
		    "repo_url must be a string" },
		{ "{\"prompt\":\"p\"," URL ",\"github_token\":5}",
		    "github_token must be a string" },
		/* The model before all that follows. */
		{ "{\"prompt\":\"p\",\"repo_url\":\"u\"," TOK
		  ",\"model\":\"gpt\"}",
		    MODELS },
		{ "{" ALL ",\"model\":\"\"}", MODELS },
		{ "{" ALL ",\"model\":\"Claude\"}", MODELS },
		{ "{" ALL ",\"model\":\"simulated\"}", MODELS },
		{ "{" ALL ",\"model\":\"../claude\"}", MODELS },
		{ "{" ALL ",\"model\":7}", "model must be a string" },
		{ "{" ALL ",\"model\":null}", "" },
		{ "{" ALL ",\"model\":\"codex\"}", "" },
		{ "{\"prompt\":\"p\",\"repo_url\":\"u\"," TOK "}",
		    "Invalid GitHub URL format: u" },
		{ "{" ALL ",\"branch\":null}", "" },
		{ "{" ALL ",\"branch\":\"\"}", "" },
		{ "{" ALL ",\"branch\":\"-x\"}", "Invalid branch name" },
		{ "{" ALL ",\"branch\":\"a..b\"}", "Invalid branch name" },
		{ "{" ALL ",\"branch\":3}", "branch must be a string" },
		{ "{" ALL ",\"project_id\":\"3\"}",
		    "project_id must be an integer" },
		{ "{" ALL ",\"project_id\":-3}", "Project not found" },
		{ "{" ALL ",\"project_id\":null}", "" },
		{ "{" ALL ",\"project_id\":0}", "" },
		{ "{\"prompt\":\"p\"," URL ",\"github_token\":\"a b\"}",
		    "github_token must be 1 to 1024 visible ASCII "
		    "characters" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct start_input in;

		assert_string_equal(read_one(cases[i].json, NULL, &in),
		    cases[i].text);
		start_input_clear(&in);
	}
}

static void
defaults_and_stripping(void **state)
{
	struct start_input in;

	(void)state;
	assert_string_equal(read_one("{\"prompt\":\" do it \\n\","
				     "\"repo_url\":"
				     "\" https://github.com/o/r.git \"," TOK
				     "}",
				NULL, &in),
	    "");
	assert_string_equal(in.prompt, "do it");
	assert_string_equal(in.repo.stored, "https://github.com/o/r.git");
	assert_string_equal(in.branch, "main");
	assert_string_equal(in.model, "claude");
	assert_string_equal(in.github_token, "t");
	assert_int_equal(in.project_id, 0);
	assert_null(in.idem_key);
	start_input_clear(&in);
}

/* Counts characters, not bytes, and after stripping. */
static void
prompt_is_bounded_in_characters(void **state)
{
	char json[512];
	char prompt[256] = "  ";
	struct start_input in;

	(void)state;
	for (int i = 0; i < PROMPT_MAX; i++)
		strcat(prompt, "\xf0\x9f\x98\x80");
	snprintf(json, sizeof(json), "{\"prompt\":\"%s\"," URL "," TOK "}",
	    prompt);
	assert_string_equal(read_one(json, NULL, &in), "");
	start_input_clear(&in);
	snprintf(json, sizeof(json), "{\"prompt\":\"%sx\"," URL "," TOK "}",
	    prompt);
	assert_string_equal(read_one(json, NULL, &in),
	    "prompt must be at most 20 characters (PROMPT_MAX_CHARS)");
	start_input_clear(&in);
}

static void
keys_are_visible_ascii(void **state)
{
	static const char text[] = "Idempotency-Key must be 1 to 255 visible "
				   "ASCII characters";
	char key[258];
	struct start_input in;

	(void)state;
	memset(key, 'k', sizeof(key));
	key[255] = '\0';
	assert_string_equal(read_one("{" ALL "}", key, &in), "");
	start_input_clear(&in);
	key[255] = 'k';
	key[256] = '\0';
	assert_string_equal(read_one("{" ALL "}", key, &in), text);
	start_input_clear(&in);
	assert_string_equal(read_one("{" ALL "}", "", &in), text);
	start_input_clear(&in);
	assert_string_equal(read_one("{" ALL "}", "a b", &in), text);
	start_input_clear(&in);
}

static void
hash_of(const char *json, uint8_t hash[SHA256_BYTES])
{
	struct err e = { 0 };
	struct start_input in;

	assert_string_equal(read_one(json, NULL, &in), "");
	assert_int_equal(start_input_hash(&in, hash, &e), 0);
	start_input_clear(&in);
}

static void
hash_is_of_the_meaning(void **state)
{
	static const char *const same[] = {
		"{" ALL "}",
		"{" TOK "," URL ",\"prompt\":\"p\"}",
		"{" ALL ",\"model\":\"claude\",\"branch\":\"main\"}",
		"{" ALL ",\"project_id\":null,\"unknown\":[1]}",
		"{\"prompt\":\" p \"," URL "," TOK "}",
		/* The credential is no part of the wish. */
		"{\"prompt\":\"p\"," URL ",\"github_token\":\"other\"}",
	};
	static const char *const others[] = {
		"{\"prompt\":\"q\"," URL "," TOK "}",
		"{\"prompt\":\"p\",\"repo_url\":\"https://github.com/o/s\"," TOK
		"}",
		"{" ALL ",\"model\":\"codex\"}",
		"{" ALL ",\"branch\":\"dev\"}",
		"{" ALL ",\"project_id\":1}",
	};
	uint8_t first[SHA256_BYTES];
	uint8_t hash[SHA256_BYTES];

	(void)state;
	hash_of(same[0], first);
	for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
		hash_of(same[i], hash);
		assert_memory_equal(hash, first, sizeof(hash));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		hash_of(others[i], hash);
		assert_memory_not_equal(hash, first, sizeof(hash));
	}
}

static bool
has_left(void *ctx)
{
	*(int *)ctx += 1;
	return false;
}

/* F13. There is no database here to write to, nor a key to seal with. */
static void
nothing_is_begun_for_a_client_that_left(void **state)
{
	static const char json[] = "{" ALL "}";
	struct http_request rq = { .path = "/" };
	struct http_response rs;
	struct call c = { .api = &api, .rq = &rq, .rs = &rs };
	struct err e = { 0 };
	int asked = 0;

	(void)state;
	http_response_init(&rs);
	api.client_there = has_left;
	api.client_ctx = &asked;
	assert_int_equal(body_read(&c.body, json, strlen(json), &e), 0);
	assert_int_equal(task_start_post(&c, &e), 0);
	assert_int_equal(rs.status, 499);
	assert_int_equal(asked, 1);
	json_free(c.body);
	http_response_clear(&rs);
	api.client_there = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_order),
		cmocka_unit_test(defaults_and_stripping),
		cmocka_unit_test(prompt_is_bounded_in_characters),
		cmocka_unit_test(keys_are_visible_ascii),
		cmocka_unit_test(hash_is_of_the_meaning),
		cmocka_unit_test(nothing_is_begun_for_a_client_that_left),
	};
	struct err e = { 0 };

	if (encode_init(&e) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
