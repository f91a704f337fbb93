#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/buf.h"
#include "util/err.h"

static void
a_buffer_grows_and_stays_terminated(void **state)
{
	struct buf b = BUF(100000);

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, "%d", i % 10);
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 10000);
	assert_int_equal(strlen(b.data), 10000);
	buf_drop(&b, 9990);
	assert_string_equal(b.data, "0123456789");
	buf_clear(&b);
	assert_null(b.data);
}

static void
an_append_over_the_limit_fails_whole_and_sticks(void **state)
{
	struct buf b = BUF(4);

	(void)state;
	buf_puts(&b, "abc");
	buf_puts(&b, "de");
	assert_false(buf_ok(&b));
	buf_puts(&b, "d");
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 3);
	buf_reset(&b);
	buf_puts(&b, "abcd");
	assert_true(buf_ok(&b));
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
	buf_wipe(&b);
}

static void
an_error_grows_from_the_inside_out(void **state)
{
	struct err e = { 0 };
	char longer[2 * sizeof(e.text)];

	(void)state;
	errno = ECONNRESET;
	assert_int_equal(err_sys(&e, ERR_RETRY, "run %s", "git"), -1);
	assert_int_equal(err_wrap(&e, "clone"), -1);
	assert_string_equal(e.text, "clone: run git: Connection reset by peer");
	assert_int_equal(e.kind, ERR_RETRY);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(err_wrap(&e, "%s", longer), -1);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void
every_kind_has_its_own_name(void **state)
{
	(void)state;
	for (int a = 0; a < ERR_KIND_N; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(err_kind_name((enum err_kind)a),
			    err_kind_name((enum err_kind)b));
	assert_string_equal(err_kind_name((enum err_kind)1000), "broken");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows_and_stays_terminated),
		cmocka_unit_test(
		    an_append_over_the_limit_fails_whole_and_sticks),
		cmocka_unit_test(an_error_grows_from_the_inside_out),
		cmocka_unit_test(every_kind_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
