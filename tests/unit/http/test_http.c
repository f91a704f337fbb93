#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/decode.h"
#include "http/http.h"

static void
methods_and_reasons_have_names(void **state)
{
	(void)state;
	assert_int_equal(http_method_of("GET"), HTTP_GET);
	assert_int_equal(http_method_of("DELETE"), HTTP_DELETE);
	assert_int_equal(http_method_of("get"), HTTP_OTHER);
	assert_int_equal(http_method_of(""), HTTP_OTHER);
	assert_string_equal(http_method_name(HTTP_HEAD), "HEAD");
	assert_string_equal(http_method_name((enum http_method)99), "OTHER");
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(599), "Status");
}

static void
header_values_cannot_inject(void **state)
{
	struct http_response r;
	char longest[sizeof(r.headers[0].value)], too_long[sizeof(longest) + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	http_response_init(&r);
	http_response_header(&r, "Allow", "GET\r\nSet-Cookie: a=b");
	http_response_header(&r, "Allow", "GET\nX: y");
	http_response_header(&r, "Allow", "tab\there");
	http_response_header(&r, "Allow", too_long);
	assert_int_equal(r.header_count, 0);
	http_response_header(&r, "Allow", longest);
	assert_int_equal(r.header_count, 1);
	for (int i = 0; i < 2 * HTTP_HEADERS_MAX; i++)
		http_response_header(&r, "Retry-After", "5");
	assert_int_equal(r.header_count, HTTP_HEADERS_MAX);
	http_response_reset(&r);
	assert_int_equal(r.header_count, 0);
	assert_int_equal(r.status, 200);
	http_response_clear(&r);
}

static void
error_bodies_are_json(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	buf_puts(&r.body, "half an answer");
	http_response_error(&r, 400, "no \"such\" \xff thing\n");
	assert_int_equal(r.status, 400);
	assert_string_equal(r.body.data,
	    "{\"error\":\"no \\\"such\\\" \xef\xbf\xbd thing\\n\"}");
	http_response_error(&r, 500, "");
	assert_string_equal(r.body.data, "{\"error\":\"\"}");
	http_response_clear(&r);
}

static void
query_values_are_decoded_once(void **state)
{
	char v[8];

	(void)state;
	assert_true(http_query_get("after=7&limit=20", "limit", v, sizeof(v)));
	assert_string_equal(v, "20");
	assert_true(http_query_get("a=1+2%2B", "a", v, sizeof(v)));
	assert_string_equal(v, "1 2+");
	assert_true(http_query_get("a=%2541", "a", v, sizeof(v)));
	assert_string_equal(v, "%41");
	assert_true(http_query_get("x=1&a", "a", v, sizeof(v)));
	assert_string_equal(v, "");
	assert_true(http_query_get("a=&x=1", "a", v, sizeof(v)));
	assert_string_equal(v, "");
	assert_true(http_query_get("a=1&a=2", "a", v, sizeof(v)));
	assert_string_equal(v, "1");
	assert_true(http_query_get("&&a=1", "a", v, sizeof(v)));
	assert_true(http_query_get("a=b=c", "a", v, sizeof(v)));
	assert_string_equal(v, "b=c");
}

static void
bad_query_values_are_absent(void **state)
{
	static const char *const bad[] = { "", "b=1", "aa=1", "a=%", "a=%4",
		"a=%zz", "a=%00", "a=%0a", "a=\x01", "a=%ff", "a=%c0%af",
		"a=%7f", "a=12345678", "ba=1" };
	char v[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(http_query_get(bad[i], "a", v, sizeof(v)));
		assert_string_equal(v, "");
	}
	assert_true(http_query_get("a=1234567", "a", v, sizeof(v)));
}

static void
paths_keep_their_plus_and_lose_no_byte(void **state)
{
	char out[16];

	(void)state;
	assert_true(http_decode("/a+b%20c", 8, DECODE_PATH, out, sizeof(out)));
	assert_string_equal(out, "/a+b c");
	assert_true(http_decode("/%C3%bc", 7, DECODE_PATH, out, sizeof(out)));
	assert_string_equal(out, "/\xc3\xbc");
	assert_false(http_decode("/%00", 4, DECODE_PATH, out, sizeof(out)));
	assert_false(
	    http_decode("/%ed%a0%80", 10, DECODE_PATH, out, sizeof(out)));
	assert_true(http_decode("", 0, DECODE_PATH, out, sizeof(out)));

	/* An escape is not completed by bytes behind the end. */
	assert_false(http_decode("/%412", 3, DECODE_PATH, out, sizeof(out)));
}

static void
paths_with_dots_are_not_plain(void **state)
{
	(void)state;
	assert_true(http_path_plain("/"));
	assert_true(http_path_plain("/api/.hidden/..a/a.."));
	assert_false(http_path_plain(""));
	assert_false(http_path_plain("api"));
	assert_false(http_path_plain("*"));
	assert_false(http_path_plain("/.."));
	assert_false(http_path_plain("/metrics/../api"));
	assert_false(http_path_plain("/api/."));
	assert_false(http_path_plain("/./api"));
	assert_false(http_path_plain("/a\tb"));
	assert_false(http_path_plain("/\xff"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_and_reasons_have_names),
		cmocka_unit_test(header_values_cannot_inject),
		cmocka_unit_test(error_bodies_are_json),
		cmocka_unit_test(query_values_are_decoded_once),
		cmocka_unit_test(bad_query_values_are_absent),
		cmocka_unit_test(paths_keep_their_plus_and_lose_no_byte),
		cmocka_unit_test(paths_with_dots_are_not_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
