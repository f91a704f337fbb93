/* The two queries of /rest/v1/tasks, and that there are no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/rest_query.h"

#define USER "11111111-2222-3333-4444-55555555aaaa"
#define SELECT "select=*,project:projects(id,name,repo_name,repo_owner)"
/* As the client library sends it. */
#define ENCODED                                                         \
	"select=*%2Cproject%3Aprojects%28id%2Cname%2Crepo_name%2Crepo_" \
	"owner%29"

static struct rest_query q;

static int
read_query(const char *query)
{
	struct err e = { 0 };
	int rc = rest_query_read(&q, query, &e);

	if (rc == -1) {
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(q.code);
	}
	return rc;
}

static void
the_two_queries_are_read(void **state)
{
	(void)state;
	assert_int_equal(
	    read_query(ENCODED "&user_id=eq." USER "&order=created_at.desc"),
	    0);
	assert_string_equal(q.user_id, USER);
	assert_int_equal(q.id, 0);
	assert_int_equal(read_query("order=created_at.desc&user_id=eq.11111111"
				    "-2222-3333-4444-55555555AAAA&" SELECT),
	    0);
	assert_string_equal(q.user_id, USER);
	assert_int_equal(read_query(SELECT "&user_id=eq%2E" USER), 0);
	assert_int_equal(read_query(SELECT "&id=eq.42"), 0);
	assert_int_equal(q.id, 42);
	assert_string_equal(q.user_id, "");
	assert_int_equal(read_query(SELECT "&id=eq.9223372036854775807"), 0);
	assert_true(q.id == INT64_MAX);
	/* 0 would mean any. */
	assert_int_equal(read_query(SELECT "&id=eq.0"), 0);
	assert_true(q.id != 0);
}

static void
expect_refused(const char *query, const char *code)
{
	if (read_query(query) != -1)
		fail_msg("taken: %s", query);
	assert_string_equal(q.code, code);
}

static void
everything_else_is_refused(void **state)
{
	static const char *const others[] = { "", "&", SELECT, "id=eq.1",
		"select=*&id=eq.1", SELECT "&id=eq.1&", SELECT "&&id=eq.1",
		SELECT "&id=eq.1&id=eq.2", SELECT "&id=eq.1&user_id=eq." USER,
		SELECT "&id=eq.1&order=created_at.desc",
		SELECT "&user_id=eq." USER "&order=id.desc",
		SELECT "&user_id=eq." USER "&order",
		SELECT "&user_id=eq." USER "&limit=1",
		SELECT "&user_id=neq." USER, SELECT "&user_id=" USER,
		SELECT "&user_id", SELECT "&id=gt.1", SELECT "&i=eq.1",
		SELECT "&idx=eq.1", SELECT SELECT, SELECT "&id=eq.1%",
		SELECT "&id=eq.1%00" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_refused(others[i], "PGRST100");
	expect_refused(SELECT "&id=eq.", "22P02");
	expect_refused(SELECT "&id=eq.-1", "22P02");
	expect_refused(SELECT "&id=eq.1%20or%201=1", "22P02");
	expect_refused(SELECT "&id=eq.9223372036854775808", "22P02");
	expect_refused(SELECT "&user_id=eq.", "22P02");
	expect_refused(SELECT "&user_id=eq.null", "22P02");
	expect_refused(SELECT "&user_id=eq." USER "0", "22P02");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_two_queries_are_read),
		cmocka_unit_test(everything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
