#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/encode.h"

#define LONGEST 70

static int
start(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

static void
base64url_comes_back_at_every_length(void **state)
{
	uint8_t bytes[LONGEST];

	(void)state;
	random_fill(bytes, sizeof(bytes));
	for (size_t len = 0; len <= LONGEST; len++) {
		struct buf text = BUF(200), back = BUF(200);

		buf_puts(&back, "x");
		encode_base64url(&text, bytes, len);
		assert_true(buf_ok(&text));
		assert_true(decode_base64url(&back,
		    text.data == NULL ? "" : text.data, text.len));
		assert_int_equal(back.len, len + 1);
		assert_memory_equal(back.data + 1, bytes, len);
		buf_clear(&text);
		buf_clear(&back);
	}
}

static void
base64url_is_read_strictly(void **state)
{
	/* Padding, the other alphabet, blanks, stray bits, cut groups (J8). */
	static const char *const bad[] = { "A", "AAAAA", "AA==", "AAA=", "A+AA",
		"A/AA", "AA A", "AAAA\n", "AB", "AAB", "A.AA", "\xff\xff" };
	struct buf out = BUF(100);

	(void)state;
	buf_puts(&out, "keep");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(decode_base64url(&out, bad[i], strlen(bad[i])));
		assert_string_equal(out.data, "keep");
		assert_int_equal(out.len, 4);
	}
	assert_true(decode_base64url(&out, "-_8", 3));
	assert_memory_equal(out.data, "keep\xfb\xff", 6);
	assert_false(decode_base64url(&out, "AAAA\0AAA", 8));
	buf_clear(&out);
}

static void
a_full_buffer_gets_nothing(void **state)
{
	struct buf out = BUF(3);

	(void)state;
	encode_base64url(&out, "abc", 3);
	assert_false(buf_ok(&out));
	assert_int_equal(out.len, 0);
	buf_clear(&out);
}

static void
a_digest_is_the_one_everybody_has(void **state)
{
	uint8_t digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	(void)state;
	sha256(digest, "abc", 3);
	encode_hex(hex, digest, sizeof(digest));
	assert_string_equal(hex,
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void
a_new_uuid_reads_back(void **state)
{
	char a[UUID_TEXT], b[UUID_TEXT], c[UUID_TEXT];

	(void)state;
	uuid_new(a);
	uuid_new(b);
	assert_string_not_equal(a, b);
	assert_true(uuid_read(c, a));
	assert_string_equal(a, c);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
}

static void
a_uuid_is_read_strictly(void **state)
{
	static const char *const bad[] = { "",
		"c56a4180-65aa-42ec-a945-5fd21dec053",
		"c56a4180-65aa-42ec-a945-5fd21dec05380",
		"c56a4180_65aa-42ec-a945-5fd21dec0538",
		"g56a4180-65aa-42ec-a945-5fd21dec0538",
		"c56a4180-65aa-42ec-a945-5fd21dec0538 ",
		"{c56a4180-65aa-42ec-a945-5fd21dec0538}",
		"c56a41806-5aa-42ec-a945-5fd21dec0538",
		"c56a418065aa42eca9455fd21dec0538" };
	char out[UUID_TEXT] = "old";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(uuid_read(out, bad[i]));
		assert_string_equal(out, "old");
	}
	assert_true(uuid_read(out, "C56A4180-65AA-42EC-A945-5FD21DEC0538"));
	assert_string_equal(out, "c56a4180-65aa-42ec-a945-5fd21dec0538");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_comes_back_at_every_length),
		cmocka_unit_test(base64url_is_read_strictly),
		cmocka_unit_test(a_full_buffer_gets_nothing),
		cmocka_unit_test(a_digest_is_the_one_everybody_has),
		cmocka_unit_test(a_new_uuid_reads_back),
		cmocka_unit_test(a_uuid_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
