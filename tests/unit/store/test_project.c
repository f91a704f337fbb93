#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "store/project.h"
#include "store/user.h"

/* Projects; and that nothing stays behind of what goes with them. */

static char other[37];

static int64_t
new_project(const char *user_id, const char *url)
{
	const struct project_values v = { .name = "P",
		.repo_url = url,
		.repo_owner = "o",
		.repo_name = "r",
		.description = "",
		.settings = "{\"a\":1}",
		.settings_len = 7 };
	struct err e = { 0 };
	int64_t id = 0;

	ok(project_add(db, user_id, &v, &id, &e));
	return id;
}

static int
keep_text(void *ctx, const struct project_row *row, struct err *e)
{
	char *text = ctx;

	(void)e;
	(void)snprintf(text + strlen(text), 500 - strlen(text),
	    "%s %s %s %d %s;", row->repo_url, row->name,
	    row->description == NULL ? "NULL" : row->description,
	    row->is_active, row->settings);
	return 0;
}

static void
a_project_is_written_and_read(void **state)
{
	const struct project_values change = { .set_description = true,
		.set_active = true };
	char text[500] = "";
	struct err e = { 0 };
	int64_t id;

	(void)state;
	clean();
	make_user(test_user);
	id = new_project(test_user, "u1");
	ok(project_get(db, test_user, id, keep_text, text, &e));
	assert_string_equal(text, "u1 P  1 {\"a\":1};");
	ok(project_update(db, test_user, id, &change, &e));
	text[0] = '\0';
	ok(project_list(db, test_user, keep_text, text, &e));
	assert_string_equal(text, "u1 P NULL 0 {\"a\":1};");
	ok(project_check(db, test_user, id, &e));
}

static void
a_repository_is_taken_once_by_each_user(void **state)
{
	const struct project_values v = { .name = "Q",
		.repo_url = "u1",
		.repo_owner = "o",
		.repo_name = "r",
		.settings = "{}",
		.settings_len = 2 };
	struct err e = { 0 };
	int64_t id, second;

	(void)state;
	clean();
	make_user(test_user);
	make_user(other);
	(void)new_project(test_user, "u1");
	(void)new_project(other, "u1");
	assert_int_equal(project_add(db, test_user, &v, &id, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	second = new_project(test_user, "u2");
	assert_int_equal(project_update(db, test_user, second, &v, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

static void
expect_absent(int rc, const struct err *e)
{
	assert_int_equal(rc, -1);
	assert_int_equal(e->kind, ERR_ABSENT);
	assert_string_equal(e->text, "Project not found");
}

static void
somebody_elses_project_is_absent(void **state)
{
	const struct project_values none = { .name = "x" };
	struct err e = { 0 };
	char text[500] = "";
	int64_t id;

	(void)state;
	clean();
	make_user(test_user);
	make_user(other);
	id = new_project(test_user, "u");
	expect_absent(project_get(db, other, id, keep_text, text, &e), &e);
	expect_absent(project_check(db, other, id, &e), &e);
	expect_absent(project_update(db, other, id, &none, &e), &e);
	expect_absent(project_delete(db, other, id, &e), &e);
	expect_absent(project_delete(db, test_user, 0, &e), &e);
	expect_absent(project_delete(db, test_user, -1, &e), &e);
	assert_true(number("SELECT COUNT(*) FROM projects") == 1);
}

/* Tasks of a user in a project: pending, running, ended, and its key. */
static void
fill(const char *user_id, int64_t project)
{
	char text[300];
	struct hold h;

	/* Those of others are not to be claimed here. */
	sql("UPDATE task_queue SET run_at = '2100-01-01'");
	(void)start_task(user_id);
	h = claim_one("m:b");
	(void)start_task(user_id);
	(void)snprintf(text, sizeof(text),
	    "UPDATE tasks SET project_id = %lld WHERE user_id = '%s'",
	    (long long)project, user_id);
	sql(text);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO idempotency_keys VALUES ('%s', 'k', REPEAT('h', 32),"
	    " %lld, UTC_TIMESTAMP(6))",
	    user_id, (long long)h.task_id);
	sql(text);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO tasks (user_id, project_id, status) SELECT '%s', %lld,"
	    " 'completed' FROM seq_1_to_120",
	    user_id, (long long)project);
	sql(text);
}

static int64_t
rows_in_all(void)
{
	return number("SELECT (SELECT COUNT(*) FROM tasks)"
		      " + (SELECT COUNT(*) FROM task_queue)"
		      " + (SELECT COUNT(*) FROM task_secrets)"
		      " + (SELECT COUNT(*) FROM task_attempts)"
		      " + (SELECT COUNT(*) FROM task_events)"
		      " + (SELECT COUNT(*) FROM idempotency_keys)"
		      " + (SELECT COUNT(*) FROM projects)");
}

static void
a_project_goes_with_all_its_tasks(void **state)
{
	struct err e = { 0 };
	int64_t id, kept;

	(void)state;
	clean();
	make_user(test_user);
	make_user(other);
	fill(other, new_project(other, "u"));
	(void)start_task(test_user);
	kept = rows_in_all();
	id = new_project(test_user, "u");
	fill(test_user, id);
	/* The task that was there went into the project with the others. */
	sql("UPDATE tasks t SET project_id = NULL WHERE id = (SELECT id FROM"
	    " (SELECT MIN(id) AS id FROM tasks WHERE project_id <>"
	    "  (SELECT MIN(id) FROM projects)) o)");
	ok(project_delete(db, test_user, id, &e));
	assert_true(rows_in_all() == kept);
	expect_absent(project_delete(db, test_user, id, &e), &e);
}

static void
a_user_goes_with_all_that_is_his(void **state)
{
	struct err e = { 0 };
	int64_t kept;

	(void)state;
	clean();
	make_user(other);
	fill(other, new_project(other, "u"));
	kept = rows_in_all();
	make_user(test_user);
	fill(test_user, new_project(test_user, "u"));
	(void)start_task(test_user);
	ok(user_delete(db, test_user, &e));
	assert_true(rows_in_all() == kept);
	assert_true(number("SELECT COUNT(*) FROM users") == 1);
	assert_int_equal(user_delete(db, test_user, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(user_delete(db, "no uuid", &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
}

static void
a_run_of_a_deleted_task_is_superseded(void **state)
{
	enum hold_state seen;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one("m:b");
	ok(user_delete(db, test_user, &e));
	ok(queue_renew(db, "m:b", &h, 60, &seen, &e));
	assert_int_equal(seen, HOLD_SUPERSEDED);
	assert_true(rows_in_all() == 0);
}

static void
a_message_is_added_at_the_end(void **state)
{
	const struct chat_new m = { "assistant", "it's \"done\"", 11 };
	struct err e = { 0 };
	int64_t id;

	(void)state;
	id = test_one_task();
	make_user(other);
	ok(task_chat_add(db, test_user, id, &m, &e));
	assert_true(number("SELECT JSON_LENGTH(chat_messages) = 2 AND"
			   " JSON_VALUE(chat_messages, '$[1].role') ="
			   "  'assistant' AND"
			   " JSON_VALUE(chat_messages, '$[1].content') ="
			   "  'it''s \"done\"' FROM tasks") == 1);
	assert_int_equal(task_chat_add(db, other, id, &m, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	sql("UPDATE tasks SET chat_messages ="
	    " JSON_ARRAY(REPEAT('x', 8388600))");
	assert_int_equal(task_chat_add(db, test_user, id, &m, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
}

int
run_project_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_project_is_written_and_read),
		cmocka_unit_test(a_repository_is_taken_once_by_each_user),
		cmocka_unit_test(somebody_elses_project_is_absent),
		cmocka_unit_test(a_project_goes_with_all_its_tasks),
		cmocka_unit_test(a_user_goes_with_all_that_is_his),
		cmocka_unit_test(a_run_of_a_deleted_task_is_superseded),
		cmocka_unit_test(a_message_is_added_at_the_end),
	};

	return cmocka_run_group_tests_name("project", tests, fixture_up,
	    fixture_down);
}
