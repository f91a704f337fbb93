/* Secrets are found in their blobs, however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/blob_scan.h"
#include "util/encode.h"

#define SECRET "sk-ant-0123456789"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char stream[] = A " blob 5\nplain\n" A " blob 22\nx\n\0" SECRET
			       "\r\n\n" A " blob 0\n\n" A " blob 8\n" /* half */
			       "sk-ant-0\n" A " blob 9\n123456789\n";

static int
scan(const char *text, size_t len, size_t piece, bool *secret, size_t most)
{
	struct blob_scan s;
	struct redact *r;
	struct err e = { 0 };
	int rc;

	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, SECRET, strlen(SECRET), &e), 0);
	assert_int_equal(blob_scan_open(&s, r, secret, most, &e), 0);
	for (size_t i = 0; i < len; i += piece)
		blob_scan_feed(&s, text + i, len - i < piece ? len - i : piece);
	rc = blob_scan_end(&s, &e);
	blob_scan_close(&s);
	redact_free(r);
	return rc;
}

static void
test_every_piece(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < sizeof(stream); piece++) {
		bool secret[5] = { true, false, true, true, true };

		assert_int_equal(
		    scan(stream, sizeof(stream) - 1, piece, secret, 5), 0);
		assert_true(!secret[0] && secret[1] && !secret[2]);
		assert_true(!secret[3] && !secret[4]);
	}
}

static void
test_what_is_not_whole(void **state)
{
	bool secret[6];

	(void)state;
	for (size_t len = 0; len < sizeof(stream) - 1; len++)
		assert_int_equal(scan(stream, len, 7, secret, 5), -1);
	assert_int_equal(scan(stream, sizeof(stream) - 1, 7, secret, 4), -1);
	assert_int_equal(scan(stream, sizeof(stream) - 1, 7, secret, 6), -1);
	assert_int_equal(scan(A " missing\n", 49, 7, secret, 1), -1);
	assert_int_equal(scan(A " blob \n\n", 48, 7, secret, 1), -1);
	assert_int_equal(scan(A " blob 1\nab\n", 52, 7, secret, 1), -1);
	assert_int_equal(
	    scan(A " blob 99999999999999999999999\n", 70, 7, secret, 1), -1);
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
		cmocka_unit_test(test_every_piece),
		cmocka_unit_test(test_what_is_not_whole),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
