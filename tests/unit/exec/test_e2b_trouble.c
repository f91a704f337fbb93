#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/e2b_trouble.h"

struct row {
	enum e2b_face face;
	int status;
	int retry_after_s;
	const char *body;
	enum e2b_trouble means;
	const char *said;
};

/* clang-format off */
static const struct row rows[] = {
	{ E2B_CREATE, 201, -1, "{}", E2B_FINE, "" },
	{ E2B_CONTROL, 204, -1, "", E2B_FINE, "" },
	{ E2B_ENVD, 206, -1, "", E2B_FINE, "" },
	{ E2B_CREATE, 429, -1,
	    "{\"code\":429,\"message\":\"you have reached the maximum number of "
	    "concurrent E2B sandboxes (20).\"}", E2B_QUOTA,
	    "you have reached the maximum number of concurrent E2B sandboxes (20)" },
	{ E2B_CREATE, 429, 3, "{\"code\":429,\"message\":\"Rate limit exceeded\"}",
	    E2B_RATE, "Rate limit exceeded" },
	{ E2B_CREATE, 429, 0, "", E2B_RATE, "" },
	{ E2B_ENVD, 429, -1, "{\"code\":\"resource_exhausted\",\"message\":\"m\"}",
	    E2B_RATE, "m" },
	{ E2B_CREATE, 401, -1, "{\"code\":401,\"message\":\"Invalid API key\"}",
	    E2B_KEY, "Invalid API key" },
	{ E2B_CREATE, 401, -1, "<html>", E2B_KEY, "" },
	{ E2B_ENVD, 401, -1, "{\"code\":401,\"message\":\"no\"}", E2B_PROTOCOL,
	    "no" },
	{ E2B_CREATE, 403, -1, "{\"message\":\"team is banned\"}", E2B_BLOCKED,
	    "team is banned" },
	{ E2B_CREATE, 403, -1,
	    "{\"message\":\"you don't have access to template 'x'\"}",
	    E2B_TEMPLATE, "you don't have access to template 'x'" },
	{ E2B_CREATE, 402, -1, "", E2B_BLOCKED, "" },
	{ E2B_CREATE, 404, -1, "{\"message\":\"template 'x' not found\"}",
	    E2B_TEMPLATE, "template 'x' not found" },
	{ E2B_CREATE, 404, -1, "404 page not found", E2B_ABSENT, "" },
	{ E2B_CREATE, 405, -1, "", E2B_ABSENT, "" },
	{ E2B_CONTROL, 404, -1, "", E2B_GONE, "" },
	{ E2B_ENVD, 404, -1, "{\"code\":404,\"message\":\"path '/x' does not "
	    "exist\"}", E2B_ABSENT, "path '/x' does not exist" },
	{ E2B_ENVD, 416, -1, "", E2B_ABSENT, "" },
	{ E2B_CONTROL, 409, -1, "", E2B_CONFLICT, "" },
	{ E2B_CREATE, 400, -1, "{\"message\":\"a\\nb\\u0001c . \"}",
	    E2B_REFUSED, "a b c" },
	{ E2B_CREATE, 503, -1, "", E2B_CAPACITY, "" },
	{ E2B_CREATE, 500, -1, "{\"error_code\":\"sandbox_create_failed\"}",
	    E2B_CAPACITY, "" },
	{ E2B_CREATE, 504, -1, "{\"error_code\":\"sandbox_placement_timeout\"}",
	    E2B_CAPACITY, "" },
	{ E2B_CREATE, 502, -1, "<html>", E2B_AWAY, "" },
	{ E2B_ENVD, 502, -1, "{\"sandboxId\":\"i\",\"message\":\"The sandbox was "
	    "not found\",\"code\":502}", E2B_UNREACHABLE,
	    "The sandbox was not found" },
	{ E2B_ENVD, 507, -1, "", E2B_SPACE, "" },
	{ E2B_ENVD, 500, -1, "", E2B_AWAY, "" },
	{ E2B_CREATE, 302, -1, "", E2B_PROTOCOL, "" },
	{ E2B_CREATE, 999, -1, "", E2B_REFUSED, "" },
};
/* clang-format on */

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_response rs = { .status = rows[i].status,
			.retry_after_s = rows[i].retry_after_s,
			.body = BUF(1000) };
		char said[E2B_SAID_MAX];

		buf_puts(&rs.body, rows[i].body);
		if (e2b_judge(rows[i].face, &rs, said) != rows[i].means)
			fail_msg("row %zu: status %d", i, rows[i].status);
		assert_string_equal(said, rows[i].said);
		net_response_clear(&rs);
	}
}

/* A long text is cut, and never within a character. */
static void
test_long_words(void **state)
{
	struct net_response rs = { .status = 400,
		.retry_after_s = -1,
		.body = BUF(4000) };
	char said[E2B_SAID_MAX];

	(void)state;
	buf_puts(&rs.body, "{\"message\":\"x");
	for (int i = 0; i < 300; i++)
		buf_puts(&rs.body, "\xc3\xa4");
	buf_puts(&rs.body, "\"}");
	assert_int_equal(e2b_judge(E2B_CREATE, &rs, said), E2B_REFUSED);
	assert_int_equal(strlen(said), E2B_SAID_MAX - 1);
	assert_memory_equal(said + E2B_SAID_MAX - 3, "\xc3\xa4", 3);
	net_response_clear(&rs);
}

static void
test_texts(void **state)
{
	(void)state;
	for (int t = 0; t < E2B_TROUBLE_N; t++) {
		struct err e = { 0 };

		assert_int_equal(
		    e2b_trouble_set(&e, (enum e2b_trouble)t, "their words"),
		    -1);
		assert_non_null(strstr(e.text, ": their words."));
		assert_true(e.kind != ERR_NONE);
		/* What is final for a run has a class of its own. */
		if (e.kind == ERR_DENIED || e.kind == ERR_INVALID)
			assert_non_null(
			    e2b_trouble_failure((enum e2b_trouble)t));
	}
	assert_true(e2b_trouble_passes(E2B_QUOTA));
	assert_false(e2b_trouble_passes(E2B_KEY));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
