/* The list of changes, and its texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "exec/changes.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define Z "0000000000000000000000000000000000000000"
#define MODES ":100644 100644 "

static struct buf
bytes(const char *text, size_t len)
{
	struct buf b = BUF(1 << 20);

	buf_add(&b, text, len);
	assert_true(buf_ok(&b));
	return b;
}

#define LIST(text) bytes(text, sizeof(text) - 1)

static void
test_good_list(void **state)
{
	struct buf raw =
	    LIST(MODES A " " B " M\0a b\0"
			 ":000000 160000 " Z " " B " A\0sub\0"
			 ":100644 000000 " A " " Z " D\0gone\n\0"
			 ":100644 100644 " A " " A " R100\0old\0d/new\0");
	struct buf paths = BUF(1000);
	struct changes c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(changes_read(&c, &raw, 4, &e), 0);
	assert_int_equal(c.count, 4);
	assert_string_equal(c.list[0].path, "a b");
	assert_string_equal(c.list[0].new_id, B);
	assert_false(change_is_nested(&c.list[0]));
	assert_true(change_is_nested(&c.list[1]));
	assert_string_equal(c.list[3].old_path, "old");
	assert_string_equal(c.list[3].path, "d/new");
	changes_paths(&c, &paths);
	assert_string_equal(paths.data, "[\"a b\",\"gone\\n\",\"d/new\"]");
	changes_clear(&c);
	assert_int_equal(changes_read(&c, &raw, 3, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	buf_clear(&raw);
	buf_clear(&paths);
}

static void
test_every_cut_is_refused(void **state)
{
	static const char all[] = MODES A " " B " R090\0x/old\0x/new";
	struct err e = { 0 };

	(void)state;
	for (size_t len = 1; len < sizeof(all); len++) {
		struct buf raw = bytes(all, len);
		struct changes c;
		int rc = changes_read(&c, &raw, 10, &e);

		assert_int_equal(rc, len == sizeof(all) ? 0 : -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		buf_clear(&raw);
	}
}

static void
test_bad_lists(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
#define BAD(t) { t, sizeof(t) }
		BAD(""),
		BAD(":100644 100644 " A " " B " M\0../x"),
		BAD(":100644 100644 " A " " B " M\0/x"),
		BAD(":100644 100644 " A " " B " M\0a/../x"),
		BAD(":100644 100644 " A " " B " M\0a//x"),
		BAD(":100644 100644 " A " " B " M\0.git/config"),
		BAD(":100644 100644 " A " " B " M\0a/.GIT/x"),
		BAD(":100644 100644 " A " " B " M\0"),
		BAD(":100644 100644 " A " " B " X\0x"),
		BAD(":100644 100644 " A " " B " M9x\0x"),
		BAD(":10064 100644 " A " " B " M\0x"),
		BAD(":100648 100644 " A " " B " M\0x"),
		BAD(":100644 100644 abc " B " M\0x"),
		BAD(":100644 100644 " A "a " B " M\0x"),
		BAD(":100644 100644 " A " " B " M\0x\0junk"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf raw = bytes(bad[i].text, bad[i].len);
		struct changes c;
		struct err e = { 0 };

		assert_int_equal(changes_read(&c, &raw, 10, &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		assert_null(c.list);
		buf_clear(&raw);
	}
}

static void
test_texts(void **state)
{
	struct buf raw =
	    LIST(MODES A " " B " M\0m\0"
			 ":000000 100644 " Z " " B " A\0n\0"
			 ":100644 000000 " A " " Z " D\0d\0"
			 ":100644 100644 " A
			 " cccccccccccccccccccccccccccccccccccccccc M\0x\0");
	struct buf blobs = LIST(A " blob 5\none\"\n\n" B " blob 0\n\n");
	struct buf out = BUF(4000);
	struct changes c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(changes_read(&c, &raw, 9, &e), 0);
	changes_texts(&c, &blobs, 9, 4000, &out);
	assert_string_equal(out.data,
	    "[{\"filename\":\"m\",\"before\":\"one\\\"\\n\",\"after\":\"\"},"
	    "{\"filename\":\"n\",\"before\":\"FILE_NOT_EXISTS\",\"after\":\"\"},"
	    "{\"filename\":\"d\",\"before\":\"one\\\"\\n\","
	    "\"after\":\"FILE_DELETED\"}]");
	/* At most so many, and so large. */
	buf_reset(&out);
	changes_texts(&c, &blobs, 1, 4000, &out);
	assert_null(strstr(out.data, "\"n\""));
	buf_reset(&out);
	changes_texts(&c, &blobs, 9, 10, &out);
	assert_string_equal(out.data, "[]");
	buf_clear(&out);
	buf_clear(&blobs);
	changes_clear(&c);
	buf_clear(&raw);
}

/* Whatever the texts' file has in it, nothing is read beyond its end. */
static void
test_hostile_texts(void **state)
{
	struct buf raw = LIST(MODES A " " B " M\0m\0");
	static const char all[] = A " blob 3\nabc\n" B " blob 99999\nshort\n";
	static const char *const odd[] = { A " blob 18446744073709551615\n",
		A " blob -1\nx\n", A " tree 1\nx\n", "\n\n\n", A " missing\n",
		A " blob 3\na\xff"
		  "b\n" B " blob 1\nx\n" };
	struct changes c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(changes_read(&c, &raw, 9, &e), 0);
	for (size_t len = 0; len < sizeof(all); len++) {
		struct buf blobs = bytes(all, len), out = BUF(4000);

		changes_texts(&c, &blobs, 9, 4000, &out);
		assert_string_equal(out.data, "[]");
		buf_clear(&blobs);
		buf_clear(&out);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct buf blobs = bytes(odd[i], strlen(odd[i]));
		struct buf out = BUF(4000);

		changes_texts(&c, &blobs, 9, 4000, &out);
		assert_string_equal(out.data, "[]");
		buf_clear(&blobs);
		buf_clear(&out);
	}
	changes_clear(&c);
	buf_clear(&raw);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_list),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_hostile_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
