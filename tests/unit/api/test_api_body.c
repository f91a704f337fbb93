/* Bodies and queries: content types, truthiness, types, blanks, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/body.h"

static void
content_types(void **state)
{
	static const struct {
		const char *type;
		bool json;
	} cases[] = {
		{ "application/json", true },
		{ "Application/JSON", true },
		{ "application/json; charset=utf-8", true },
		{ "application/json ;x=y", true },
		{ "application/problem+json", true },
		{ "application/vnd.api+JSON;v=1", true },
		{ "", false },
		{ "application/", false },
		{ "application/+json", false },
		{ "application/jsonp", false },
		{ "application/json5", false },
		{ "text/json", false },
		{ "text/plain", false },
		{ "application/x-www-form-urlencoded", false },
		{ "text/plain; application/json", false },
		{ "json", false },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(body_type_is_json(cases[i].type),
		    cases[i].json);
}

/* text NULL: accepted as an object; "": accepted as empty. */
static void
documents(void **state)
{
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{ "{\"a\":1}", NULL },
		{ " {\"a\":null} ", NULL },
		{ "{}", "" },
		{ "[]", "" },
		{ "\"\"", "" },
		{ "0", "" },
		{ "-0", "" },
		{ "0.0", "" },
		{ "false", "" },
		{ "null", "" },
		{ "[1]", "Request body must be a JSON object" },
		{ "\"a\"", "Request body must be a JSON object" },
		{ "1", "Request body must be a JSON object" },
		{ "0.1", "Request body must be a JSON object" },
		{ "true", "Request body must be a JSON object" },
		{ "", "Invalid JSON: line 1, column 1" },
		{ "{", "Invalid JSON: line 1, column 2" },
		{ "{\"a\":1,}", "Invalid JSON: line 1, column 8" },
		{ "{\n\"a\": tru}", "Invalid JSON: line 2, column " },
		{ "{} {}", "Invalid JSON: line 1, column 4" },
		{ "{\"a\":1,\"a\":2}", "Invalid JSON: line 1, column " },
		{ "{\"a\":\"\\u0000\"}", "Invalid JSON: line 1, column " },
		{ "{\"a\":\"\\ud800\"}", "Invalid JSON: line 1, column " },
		{ "{\"a\":\"\xc0\xaf\"}", "Invalid JSON: line 1, column " },
		{ "{\"a\":NaN}", "Invalid JSON: line 1, column " },
		{ "{'a':1}", "Invalid JSON: line 1, column " },
		{ "{\"a\":9223372036854775808}",
		    "Invalid JSON: line 1, column " },
		{ "\xef\xbb\xbf{}", "Invalid JSON: line 1, column 1" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct json_object *body;
		int rc =
		    body_read(&body, cases[i].json, strlen(cases[i].json), &e);

		if (cases[i].text == NULL || *cases[i].text == '\0') {
			assert_int_equal(rc, 0);
			assert_int_equal(body != NULL, cases[i].text == NULL);
		} else {
			assert_int_equal(rc, -1);
			assert_null(body);
			assert_int_equal(e.kind, ERR_INVALID);
			assert_memory_equal(e.text, cases[i].text,
			    strlen(cases[i].text));
		}
		json_free(body);
	}
}

#define MISSING ((const char *)0)
#define WRONG "\1"

/* What a member of each kind is, asked for as a string. */
static void
strings(void **state)
{
	static const struct {
		const char *json;
		const char *value;
	} cases[] = {
		{ "{\"b\":1}", MISSING },
		{ "{\"f\":null}", MISSING },
		{ "{\"f\":\"\"}", MISSING },
		{ "{\"f\":0}", MISSING },
		{ "{\"f\":0.0}", MISSING },
		{ "{\"f\":false}", MISSING },
		{ "{\"f\":[]}", MISSING },
		{ "{\"f\":{}}", MISSING },
		{ "{\"f\":\" \"}", " " },
		{ "{\"f\":\"x\"}", "x" },
		{ "{\"f\":\"0\"}", "0" },
		{ "{\"f\":\"false\"}", "false" },
		{ "{\"f\":1}", WRONG },
		{ "{\"f\":0.5}", WRONG },
		{ "{\"f\":true}", WRONG },
		{ "{\"f\":[0]}", WRONG },
		{ "{\"f\":{\"a\":0}}", WRONG },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct json_object *body;
		struct body_text text;
		int rc;

		assert_int_equal(
		    body_read(&body, cases[i].json, strlen(cases[i].json), &e),
		    0);
		rc = body_string(body, "f", &text, &e);
		if (cases[i].value == MISSING) {
			assert_int_equal(rc, 0);
			assert_int_equal(text.len, 0);
			assert_string_equal(text.s, "");
		} else if (strcmp(cases[i].value, WRONG) == 0) {
			assert_int_equal(rc, -1);
			assert_int_equal(e.kind, ERR_INVALID);
			assert_string_equal(e.text, "f must be a string");
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(text.s, cases[i].value);
			assert_int_equal(text.len, strlen(cases[i].value));
		}
		json_free(body);
	}
}

static void
no_body_is_missing_everything(void **state)
{
	struct err e = { 0 };
	struct body_text text;
	int64_t n = 5;

	(void)state;
	assert_int_equal(body_string(NULL, "f", &text, &e), 0);
	assert_int_equal(text.len, 0);
	assert_int_equal(body_integer(NULL, "f", &n, &e), 0);
	assert_int_equal(n, 0);
}

static void
integers(void **state)
{
	static const struct {
		const char *json;
		int rc;
		int64_t n;
	} cases[] = {
		{ "{\"f\":7}", 0, 7 },
		{ "{\"f\":-7}", 0, -7 },
		{ "{\"f\":9223372036854775807}", 0, INT64_MAX },
		{ "{\"f\":null}", 0, 0 },
		{ "{\"f\":\"\"}", 0, 0 },
		{ "{\"f\":false}", 0, 0 },
		{ "{\"f\":\"7\"}", -1, 0 },
		{ "{\"f\":7.0}", -1, 0 },
		{ "{\"f\":true}", -1, 0 },
		{ "{\"f\":[7]}", -1, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		struct json_object *body;
		int64_t n;

		assert_int_equal(
		    body_read(&body, cases[i].json, strlen(cases[i].json), &e),
		    0);
		assert_int_equal(body_integer(body, "f", &n, &e), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(n, cases[i].n);
		else
			assert_string_equal(e.text, "f must be an integer");
		json_free(body);
	}
}

static void
strips_like_python(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{ "", "" },
		{ "a", "a" },
		{ "  a b  ", "a b" },
		{ "\t\r\n\v\f\x1c\x1fx\x1e", "x" },
		{ "\xc2\xa0\xe2\x80\x83x\xe3\x80\x80", "x" },
		{ "\xc2\x85\xe2\x80\xa8", "" },
		/* Not blank for Python: a zero width space, a BOM. */
		{ "\xe2\x80\x8bx\xef\xbb\xbf", "\xe2\x80\x8bx\xef\xbb\xbf" },
		/* The same last byte as a blank's. */
		{ "\xc3\x85", "\xc3\x85" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct body_text t = { cases[i].from, strlen(cases[i].from) };

		body_strip(&t);
		assert_int_equal(t.len, strlen(cases[i].to));
		assert_memory_equal(t.s, cases[i].to, t.len);
	}
}

static void
visible_is_ascii_without_blanks(void **state)
{
	(void)state;
	assert_true(body_visible("a", 1));
	assert_true(body_visible("!~", 2));
	assert_false(body_visible("", 1));
	assert_false(body_visible("ab", 1));
	assert_false(body_visible("a b", 9));
	assert_false(body_visible("a\n", 9));
	assert_false(body_visible("\x7f", 9));
	assert_false(body_visible("\xc3\xa4", 9));
}

static void
whole_numbers_of_a_query(void **state)
{
	static const struct query_bounds bounds = { 1, 1000 };
	static const struct {
		const char *query;
		int rc;
		int64_t n;
	} cases[] = {
		{ "", 0, -1 },
		{ "nn=3", 0, -1 },
		{ "xn=3", 0, -1 },
		{ "n=3", 0, 3 },
		{ "a=1&n=3", 0, 3 },
		{ "n=003", 0, 3 },
		{ "n=1000", 0, 1000 },
		{ "n=1001", -1, 0 },
		{ "n=0", -1, 0 },
		{ "n=", -1, 0 },
		{ "n", -1, 0 },
		{ "n=-1", -1, 0 },
		{ "n=+1", -1, 0 },
		{ "n=1x", -1, 0 },
		{ "n=%ff", -1, 0 },
		{ "n=1%00", -1, 0 },
		{ "n=99999999999999999999999999", -1, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		int64_t n = -1;

		assert_int_equal(
		    query_whole(cases[i].query, "n", &bounds, &n, &e),
		    cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(n, cases[i].n);
		else
			assert_string_equal(e.text,
			    "n must be a whole number from 1 to 1000");
	}
}

static void
numbers_as_python_reads_them(void **state)
{
	static const struct {
		const char *query;
		int64_t n;
	} cases[] = {
		{ "", 0 },
		{ "p=5", 5 },
		{ "p=%205%20", 5 },
		{ "p=%2B5", 5 },
		{ "p=-5", -5 },
		{ "p=5.0", 0 },
		{ "p=abc", 0 },
		{ "p=", 0 },
		{ "p=--5", 0 },
		{ "p=99999999999999999999", INT64_MAX },
		{ "p=-99999999999999999999", -INT64_MAX },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(query_lenient_int(cases[i].query, "p"),
		    cases[i].n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_types),
		cmocka_unit_test(documents),
		cmocka_unit_test(strings),
		cmocka_unit_test(no_body_is_missing_everything),
		cmocka_unit_test(integers),
		cmocka_unit_test(strips_like_python),
		cmocka_unit_test(visible_is_ascii_without_blanks),
		cmocka_unit_test(whole_numbers_of_a_query),
		cmocka_unit_test(numbers_as_python_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
