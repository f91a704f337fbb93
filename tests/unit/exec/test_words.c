/* No part of a secret is left at an edge, wherever it lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/words.h"
#include "util/encode.h"

static const char secret[] = "sk-ant-0123456789";

#define SECRET_LEN (sizeof(secret) - 1)
#define KEPT ((size_t)100)
#define TEXT ((size_t)300)

/* True if four bytes in a row of the secret are there. */
static bool
leaks(const struct buf *b)
{
	for (size_t i = 0; i + 4 <= SECRET_LEN; i++)
		if (b->len > 0 && memmem(b->data, b->len, secret + i, 4))
			return true;
	return false;
}

/* The secret at one place of a text that comes in pieces. */
static void
keep(const struct redact *r, size_t at, size_t piece, bool last)
{
	struct buf kept = BUF(KEPT);
	struct words w = { 0 };
	struct err e = { 0 };
	char text[TEXT];

	memset(text, '.', sizeof(text));
	memcpy(text + at, secret, SECRET_LEN);
	assert_int_equal(words_open(&w, r, &kept, last, &e), 0);
	for (size_t i = 0; i < TEXT; i += piece)
		words_add(&w, text + i, i + piece < TEXT ? piece : TEXT - i);
	words_end(&w);
	assert_true(buf_ok(&kept));
	assert_int_equal(kept.len, KEPT);
	assert_false(leaks(&kept));
	words_close(&w);
	buf_clear(&kept);
}

static void
test_every_place(void **state)
{
	static const size_t pieces[] = { 1, 7, 64, TEXT };
	struct redact *r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, secret, SECRET_LEN, &e), 0);
	for (size_t at = 0; at + SECRET_LEN <= TEXT; at++) {
		for (size_t i = 0; i < 4; i++) {
			keep(r, at, pieces[i], false);
			keep(r, at, pieces[i], true);
		}
	}
	redact_free(r);
}

static void
test_short_text(void **state)
{
	struct buf kept = BUF(10);
	struct words w = { 0 };
	struct redact *r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(words_open(&w, r, &kept, true, &e), 0);
	words_add(&w, "abc", 3);
	words_add(&w, "defghijkl", 9);
	words_end(&w);
	assert_string_equal(kept.data, "cdefghijkl");
	words_close(&w);
	buf_reset(&kept);
	assert_int_equal(words_open(&w, r, &kept, false, &e), 0);
	words_add(&w, "abc", 3);
	words_add(&w, "defghijkl", 9);
	words_end(&w);
	assert_string_equal(kept.data, "abcdefghij");
	words_close(&w);
	words_close(&w);
	buf_clear(&kept);
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
		cmocka_unit_test(test_every_place),
		cmocka_unit_test(test_short_text),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
