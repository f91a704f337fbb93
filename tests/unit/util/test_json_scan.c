#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/json.h"

#define MIB ((size_t)1 << 20)

/* A literal with its length, since it may hold a NUL. */
#define T(s)                     \
	{                        \
		s, sizeof(s) - 1 \
	}

struct text {
	const char *s;
	size_t len;
};

static const struct text good[] = {
	T("null"),
	T("true"),
	T(" false "),
	T("0"),
	T("-0"),
	T("-1"),
	T("10"),
	T("0.5"),
	T("-0.0e-0"),
	T("1E+2"),
	T("1e400"),
	T("\"\""),
	T("[]"),
	T("{}"),
	T("[ ]"),
	T("{ }"),
	T("[1,2]"),
	T("[[],{}]"),
	T("{\"\":0}"),
	T("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}"),
	T("\t\r\n [ 1 , \"x\" ] \n"),
	T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	T("\"\\u00e9\\uD83D\\uDE00\\uFFFF\""),
	T("\"\x7f\xc3\xa9\""),
	T("\"\xf4\x8f\xbf\xbf\""),
	T("9223372036854775807"),
	T("-9223372036854775808"),
	T("92233720368547758080.0"),
	T("{\"A\":1,\"a\":2}"),
	T("[\"a\",\"a\"]"),
};

static const struct text bad[] = {
	/* K1: what json-c takes for strict */
	T("'a'"),
	T("{'a':1}"),
	T("NaN"),
	T("Infinity"),
	T("-Infinity"),
	T("\"a\tb\""),
	T("\"a\nb\""),
	T("5."),
	T("[1.]"),
	T("{\"a\":1,\"a\":2}"),
	T("9223372036854775808"),
	T("-9223372036854775809"),
	T("18446744073709551616"),
	T("100000000000000000000000"),
	/* K2 */
	T("\"\xff\""),
	T("\"\xc0\xaf\""),
	T("\"\xed\xa0\x80\""),
	T("\"\xf5\x80\x80\x80\""),
	T("\"\xe2\x82\""),
	T("\"\x80\""),
	T("\"\\ud800\""),
	T("\"\\udc00\""),
	T("\"\\ud800x\""),
	T("\"\\ud800\\u0041\""),
	T("\"\\ud800\\ud800\""),
	T("\"\\ud800\\n\""),
	/* K3 */
	T("1\0"),
	T("{}\0{}"),
	T("\"a\0b\""),
	T("\"\\u0000\""),
	T("{\"a\\u0000b\":1}"),
	T("\0"),
	/* the same name in another dress */
	T("{\"a\":1,\"\\u0061\":2}"),
	T("{\"\xc3\xa9\":1,\"\\u00E9\":2}"),
	T("{\"/\":1,\"\\/\":2}"),
	T("{\"\\n\":1,\"\\u000a\":2}"),
	T("{\"\xf0\x9f\x98\x80\":1,\"b\":3,\"\\ud83d\\ude00\":2}"),
	T("[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]"),
	/* plain grammar */
	T(""),
	T(" "),
	T("{"),
	T("["),
	T("}"),
	T("]"),
	T("[1"),
	T("[1,"),
	T("[1,]"),
	T("[,1]"),
	T("[1 2]"),
	T("{\"a\"}"),
	T("{\"a\":}"),
	T("{\"a\":1,}"),
	T("{,}"),
	T("{1:2}"),
	T("{\"a\" 1}"),
	T("[1}"),
	T("{\"a\":1]"),
	T("01"),
	T("-01"),
	T("00"),
	T("-"),
	T("+1"),
	T(".5"),
	T("1e"),
	T("1e+"),
	T("0x10"),
	T("1_0"),
	T("tru"),
	T("truee"),
	T("TRUE"),
	T("nul"),
	T("\""),
	T("\"abc"),
	T("\"\\"),
	T("\"\\x41\""),
	T("\"\\u12\""),
	T("\"\\u12g4\""),
	T("\"\\u"),
	T("1 1"),
	T("{}{}"),
	T("[]]"),
	T("/**/1"),
	T("1//"),
	T("\xef\xbb\xbf{}"),
	T("\xa0[]"),
	T("\v[]"),
	T("\f[]"),
	T("{\"a\":1 \"b\":2}"),
	T("[undefined]"),
};

static void
exactly_rfc_8259_is_taken(void **state)
{
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (json_scan(good[i].s, good[i].len, &e) != 0)
			fail_msg("refused %s: %s", good[i].s, e.text);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.kind = ERR_NONE;
		if (json_scan(bad[i].s, bad[i].len, &e) != -1)
			fail_msg("taken: number %zu, %s", i, bad[i].s);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_int_equal(strncmp(e.text, "line ", 5), 0);
	}
}

/* No prefix of a document is one, and none is read behind its end. */
static void
a_cut_document_is_refused_at_every_byte(void **state)
{
	static const char text[] =
	    "{\"a\":[1,-2.5e3,\"\\ud83d\\ude00\xc3\xa9\",true,null],\"b\":{}}";
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_scan(text, sizeof(text) - 1, &e), 0);
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		/* Of its own, so that a sanitizer sees a read too far. */
		char *cut = malloc(n + 1);

		assert_non_null(cut);
		memcpy(cut, text, n);
		assert_int_equal(json_scan(cut, n, &e), -1);
		free(cut);
	}
}

static void
depth_ends_where_mariadb_ends(void **state)
{
	char text[2 * (JSON_DEPTH_MAX + 1)];
	struct err e = { 0 };

	(void)state;
	for (size_t depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(json_scan(text, 2 * depth, &e),
		    depth <= JSON_DEPTH_MAX ? 0 : -1);
	}
}

static void
errors_name_their_place(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "{\"a\":1,\n \"b\":}", "line 2, column 6: unexpected '}'" },
		{ "[\n\n\xc3\xa9", "line 3, column 1: unexpected byte c3" },
		{ "[\"\xc3\xa9\xe2\x82\xac\", x]",
		    "line 1, column 8: unexpected 'x'" },
		{ "[1", "line 1, column 3: unexpected end" },
		{ "{\"a\":1,\"b\":2,\n\"a\":3}",
		    "line 2, column 1: a member name for the second time" },
		{ "\"\\ud800\"", "line 1, column 2: lone surrogate" },
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    json_scan(cases[i].text, strlen(cases[i].text), &e), -1);
		assert_string_equal(e.text, cases[i].want);
	}
}

/* Makes one object of a MiB; every name comes from spell(i). */
static void
scan_many(void (*spell)(struct buf *to, unsigned int i), int want)
{
	struct buf text = BUF(2 * MIB);
	struct err e = { 0 };
	int64_t began;

	buf_putc(&text, '{');
	for (unsigned int i = 0; text.len < MIB; i++) {
		buf_puts(&text, i == 0 ? "\"" : ",\"");
		spell(&text, i);
		buf_puts(&text, "\":0");
	}
	buf_putc(&text, '}');
	began = clock_mono_ms();
	assert_int_equal(json_scan(text.data, text.len, &e), want);
	/* Quadratic would be many minutes; this leaves room for sanitizers and
	 * busy machines. */
	assert_true(clock_mono_ms() - began < 60000);
	buf_clear(&text);
}

static void
short_name(struct buf *to, unsigned int i)
{
	buf_addf(to, "%x", i);
}

static void
long_name(struct buf *to, unsigned int i)
{
	for (int k = 0; k < 500; k++)
		buf_puts(to, "\\u0061");
	buf_addf(to, "%u", i);
}

static void
same_name(struct buf *to, unsigned int i)
{
	(void)i;
	buf_puts(to, "a");
}

static void
many_names_do_not_make_it_slow(void **state)
{
	(void)state;
	scan_many(short_name, 0);
	scan_many(long_name, 0);
	scan_many(same_name, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_rfc_8259_is_taken),
		cmocka_unit_test(a_cut_document_is_refused_at_every_byte),
		cmocka_unit_test(depth_ends_where_mariadb_ends),
		cmocka_unit_test(errors_name_their_place),
		cmocka_unit_test(many_names_do_not_make_it_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
