#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/utf8.h"

/* Writes code point u and returns its length. */
static size_t
put(char out[4], uint32_t u)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 63));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 63));
		out[2] = (char)(0x80 | (u & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 63));
	out[2] = (char)(0x80 | (u >> 6 & 63));
	out[3] = (char)(0x80 | (u & 63));
	return 4;
}

/* All of them, also those above the end. */
static void
exactly_the_code_points_are_valid(void **state)
{
	char text[4];

	(void)state;
	for (uint32_t u = 0; u < 0x1fffff; u++) {
		size_t n = put(text, u);
		bool want = u <= 0x10ffff && (u < 0xd800 || u > 0xdfff);

		if (utf8_valid(text, n) != want)
			fail_msg("U+%X", u);
		if (want && utf8_length(text, n) != 1)
			fail_msg("length of U+%X", u);
		for (size_t cut = 1; want && cut < n; cut++)
			if (utf8_valid(text, cut) || utf8_whole(text, cut) != 0)
				fail_msg("U+%X cut at %zu", u, cut);
		if (want && utf8_whole(text, n) != n)
			fail_msg("U+%X whole", u);
	}
}

static void
what_is_not_utf8_is_replaced(void **state)
{
#define R "\xef\xbf\xbd"
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "", 0, "" },
		{ "plain", 5, "plain" },
		{ "a\0b", 3, "a" R "b" },
		{ "\xc0\xaf", 2, R R },             /* overlong */
		{ "\xe0\x80\xaf", 3, R R R },       /* overlong */
		{ "\xed\xa0\x80", 3, R R R },       /* surrogate */
		{ "\xf5\x80\x80\x80", 4, R R R R }, /* above the end */
		{ "\xf4\x90\x80\x80", 4, R R R R }, /* above the end */
		{ "x\xe2\x82y", 4, "x" R "y" },     /* cut: one mark */
		{ "\xf0\x9f\x98", 3, R },           /* cut at the end */
		{ "\x80\xc3\xa9\xff", 4, R "\xc3\xa9" R },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = BUF(100);

		utf8_clean(&out, cases[i].in, cases[i].len);
		assert_string_equal(out.data == NULL ? "" : out.data,
		    cases[i].out);
		assert_true(utf8_valid(out.data, out.len));
		buf_clear(&out);
	}
}

static void
a_stream_cut_anywhere_stays_the_same(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	const size_t len = sizeof(text) - 1;

	(void)state;
	assert_int_equal(utf8_length(text, len), 5);
	for (size_t cut = 0; cut <= len; cut++) {
		size_t n = utf8_whole(text, cut);

		assert_true(n <= cut && cut - n < 4);
		assert_true(utf8_valid(text, n));
		assert_true(utf8_valid(text + n, len - n));
	}
	/* What nothing can complete is not held back. */
	assert_int_equal(utf8_whole("\xe0\x80", 2), 2);
	assert_int_equal(utf8_whole("\x80\x80\x80\x80", 4), 4);
	assert_int_equal(utf8_whole("\xff", 1), 1);
}

static void
a_prefix_counts_code_points(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac!";
	static const size_t want[] = { 0, 1, 3, 6, 7, 7, 7 };

	(void)state;
	for (size_t n = 0; n < sizeof(want) / sizeof(want[0]); n++)
		assert_int_equal(utf8_prefix(text, sizeof(text) - 1, n),
		    want[n]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_code_points_are_valid),
		cmocka_unit_test(what_is_not_utf8_is_replaced),
		cmocka_unit_test(a_stream_cut_anywhere_stays_the_same),
		cmocka_unit_test(a_prefix_counts_code_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
