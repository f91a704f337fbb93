/* Redacting what a JSON text says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spool/gate.h"
#include "util/encode.h"
#include "util/json.h"

/* What becomes of json when secret is known. */
static void
expect(const char *secret, const char *json, const char *want)
{
	struct buf out = BUF(4096);
	struct redact *r;
	struct err e = { 0 };

	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, secret, strlen(secret), &e), 0);
	gate_json(r, &out, json, strlen(json));
	assert_true(buf_ok(&out));
	assert_string_equal(out.data, want);
	if (want[0] == '{')
		assert_int_equal(json_scan(out.data, out.len, &e), 0);
	buf_clear(&out);
	redact_free(r);
}

static void
test_values(void **state)
{
	(void)state;
	expect("pa\"ss\\word",
	    "{\"a\":\"x pa\\\"ss\\\\word y\",\"b\":[1,null]}",
	    "{\"a\":\"x [redacted] y\",\"b\":[1,null]}");
	expect("pa\"ss\\word", "{\"a\":\"x pa\\u0022ss\\u005cword\"}",
	    "{\"a\":\"x [redacted]\"}");
	expect("line\nline\x01", "[\"line\\nline\\u0001\"]",
	    "[\"[redacted]\"]");
	expect("pässwörd\xf0\x9f\x98\x80",
	    "[\"p\\u00e4ssw\\u00F6rd\\ud83d\\uDE00\"]", "[\"[redacted]\"]");
	expect("12345678", "{\"n\":12345678,\"s\":\"12345678\"}",
	    "{\"n\":12345678,\"s\":\"[redacted]\"}");
	expect("unknown!", "{\"a\":\"\\b\\f\\n\\r\\t\\/\\\\\\\" \\u007f\"}",
	    "{\"a\":\"\\u0008\\u000c\\n\\r\\t/\\\\\\\" \x7f\"}");
}

/* Secrets that look like the document itself. */
static void
test_structure(void **state)
{
	(void)state;
	expect("\",\"after\":\"", "{\"before\":\"a\",\"after\":\"b\"}",
	    "{\"before\":\"a\",\"after\":\"b\"}");
	expect("[\"AI_GENERATED.md\"]", "[\"AI_GENERATED.md\"]",
	    "[\"AI_GENERATED.md\"]");
	expect("filename", "{\"filename\" : \"my filename\"}",
	    "{\"filename\" : \"my [redacted]\"}");
	expect("\"took_ms\":", "\"took_ms\":7,\"b\":\"x\"",
	    "\"took_ms\":7,\"b\":\"x\"");
}

static void
test_broken(void **state)
{
	static const char *const texts[] = { "\"", "{\"a", "[\"a\\\"", "\"\\" };
	struct redact *r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(redact_new(&r, &e), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf out = BUF(100);

		gate_json(r, &out, texts[i], strlen(texts[i]));
		assert_false(buf_ok(&out));
		buf_clear(&out);
	}
	expect("12345678", "[\"\\u12\",\"\\ud800\",\"\\u\"]",
	    "[\"\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
	    "\"\xef\xbf\xbd\"]");
	redact_free(r);
}

static int
setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
