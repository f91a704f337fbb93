#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/impl.h"
#include "fixture.h"

/*
 * With twenty thousand tasks, and thirteen thousand of them live: every
 * statement of the daily round finds its rows by the index meant for it, sorts
 * nothing, and reads as few rows as it gives.
 */

#define USER_1 "00000000-0000-4000-8000-000000000001"
#define EXPLAIN_MAX 4096

static void
fill_tables(void)
{
	clean();
	sql("INSERT INTO users (id, email) SELECT"
	    " CONCAT('00000000-0000-4000-8000-', LPAD(seq, 12, '0')), seq"
	    " FROM seq_1_to_20");
	sql("INSERT INTO projects (user_id, repo_url, repo_name, repo_owner,"
	    " name) SELECT id, 'u', 'n', 'o', 'n' FROM users");
	sql("INSERT INTO tasks (user_id, project_id, status, created_at,"
	    " git_diff, git_patch) SELECT p.user_id,"
	    " IF(seq % 3, p.id, NULL), 'completed',"
	    " '2026-01-01' + INTERVAL seq SECOND, REPEAT('d', 2000),"
	    " REPEAT('p', 2000) FROM seq_1_to_20000"
	    " JOIN projects p ON p.user_id ="
	    " CONCAT('00000000-0000-4000-8000-',"
	    "  LPAD(1 + seq % 20, 12, '0'))");
	sql("UPDATE tasks SET status = 'pending' ORDER BY id DESC"
	    " LIMIT 13000");
	sql("INSERT INTO task_queue (task_id, user_id, state, turn, run_at,"
	    " last_seq) SELECT id, user_id, 'pending', id DIV 20, created_at, 1"
	    " FROM tasks WHERE status = 'pending'");
	sql("UPDATE task_queue SET state = 'running', attempt = 1,"
	    " owner = CONCAT('machine-', task_id % 50, ':boot'),"
	    " lease_until = UTC_TIMESTAMP(6) + INTERVAL task_id % 60 SECOND"
	    " WHERE task_id % 13 = 0");
	sql("UPDATE tasks t JOIN task_queue q ON q.task_id = t.id"
	    " SET t.status = 'running' WHERE q.state = 'running'");
	sql("INSERT INTO task_events (task_id, seq, attempt, kind,"
	    " created_at, data) SELECT id, 1, 0, 'queued', created_at, '{}'"
	    " FROM tasks");
	sql("ANALYZE TABLE users, projects, tasks, task_queue, task_events");
}

static int
plan_up(void **state)
{
	(void)fixture_up(state);
	fill_tables();
	return 0;
}

static int
plan_down(void **state)
{
	clean();
	return fixture_down(state);
}

/* The statement that begins like this, among those prepared on db. */
static const char *
find_statement(const char *begin)
{
	for (size_t i = 0; i < DB_STMT_SLOTS; i++)
		if (db->stmts[i] != NULL &&
		    strncmp(db->stmts[i]->sql, begin, strlen(begin)) == 0)
			return db->stmts[i]->sql;
	print_error("not prepared: %s\n", begin);
	fail();
	return NULL;
}

/* "table:key " of every line of its plan, and no sorting in any. */
static void
expect_plan(const char *begin, const struct db_arg *args, size_t n,
    const char *want)
{
	char text[EXPLAIN_MAX], got[400] = "";
	struct db *d = test_connect();
	struct db_rows *rows;
	struct err e = { 0 };
	const char *extra;
	int more;

	(void)snprintf(text, sizeof(text), "EXPLAIN %s", find_statement(begin));
	ok(db_query(d, text, args, n, &rows, &e));
	while ((more = db_next(rows, &e)) == 1) {
		extra = db_col_text(rows, 9);
		if (strstr(extra, "filesort") != NULL ||
		    strcmp(db_col_text(rows, 3), "ALL") == 0) {
			print_error("%s\n%s on %s: %s\n", text,
			    db_col_text(rows, 3), db_col_text(rows, 2), extra);
			fail();
		}
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%s:%s ", db_col_text(rows, 2), db_col_text(rows, 5));
	}
	ok(more);
	db_rows_end(rows);
	db_close(d);
	assert_string_equal(got, want);
}

static int64_t
rows_read(void)
{
	return number("SELECT SUM(variable_value)"
		      " FROM information_schema.session_status"
		      " WHERE variable_name LIKE 'HANDLER_READ%'");
}

/* Rows that were read since, but for what reading the counter takes itself. */
static int64_t
rows_read_since(int64_t before)
{
	int64_t first = rows_read();
	int64_t second = rows_read();

	return first - before - (second - first);
}

static void
expect_reads(int64_t before, int64_t most)
{
	int64_t n = rows_read_since(before);

	if (n > most) {
		print_error("%lld rows were read, expected at most %lld\n",
		    (long long)n, (long long)most);
		fail();
	}
}

static int rows_seen;

static int
count_row(void *ctx, const struct task_row *r, struct err *e)
{
	(void)ctx;
	(void)r;
	(void)e;
	rows_seen++;
	return 0;
}

static int
count_event(void *ctx, const struct event_row *r, struct err *e)
{
	(void)ctx;
	(void)r;
	(void)e;
	rows_seen++;
	return 0;
}

static int
count_hold(void *ctx, const struct hold *h, bool cancel, struct err *e)
{
	(void)ctx;
	(void)h;
	(void)cancel;
	(void)e;
	rows_seen++;
	return 0;
}

static int64_t
a_task_of_user_1(void)
{
	return number("SELECT MAX(id) FROM tasks WHERE user_id = '" USER_1
		      "' AND status = 'pending'");
}

static void
a_poll_reads_two_rows(void **state)
{
	int64_t id = a_task_of_user_1(), before;
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(USER_1) };
	const struct db_arg events[] = { db_arg_int(id), db_arg_int(0),
		db_arg_int(100) };
	struct err e = { 0 };

	(void)state;
	before = rows_read();
	ok(task_status_get(db, USER_1, id, count_row, NULL, &e));
	expect_reads(before, 2);
	expect_plan("SELECT u.disabled_at IS NULL, t.id", DB_ARGS(args),
	    "u:PRIMARY t:PRIMARY ");
	before = rows_read();
	ok(task_events(db, USER_1, id, 0, 100, count_event, NULL, &e));
	expect_plan("SELECT seq, kind", DB_ARGS(events),
	    "task_events:PRIMARY ");
	expect_reads(before, 4);
	expect_plan("SELECT seq, kind", DB_ARGS(events),
	    "task_events:PRIMARY ");
}

static void
a_page_of_a_list_reads_its_own_rows(void **state)
{
	int64_t id = a_task_of_user_1(), before, project;
	const struct task_filter pages[] = {
		{ 0, 0, 20, TASK_STATE_N },
		{ 0, id, 20, TASK_STATE_N },
		{ number(
		      "SELECT id FROM projects WHERE user_id = '" USER_1 "'"),
		    0, 20, TASK_STATE_N },
		{ number(
		      "SELECT id FROM projects WHERE user_id = '" USER_1 "'"),
		    id, 20, TASK_STATE_N },
	};
	struct err e = { 0 };

	(void)state;
	project = pages[2].project_id;
	for (int i = 0; i < 4; i++) {
		rows_seen = 0;
		before = rows_read();
		ok(task_list(db, USER_1, &pages[i], count_row, NULL, &e));
		assert_int_equal(rows_seen, 20);
		expect_reads(before, 25);
	}

	const char *mark = "2026-01-01 03:00:00";
	const struct db_arg all[] = { db_arg_text(USER_1), db_arg_null(),
		db_arg_null(), db_arg_uint(UINT64_MAX) };
	const struct db_arg in_project[] = { db_arg_text(USER_1), db_arg_null(),
		db_arg_null(), db_arg_int(project), db_arg_uint(UINT64_MAX) };
	const struct db_arg after[] = { db_arg_text(USER_1), db_arg_null(),
		db_arg_null(), db_arg_text(mark), db_arg_text(mark),
		db_arg_int(id), db_arg_uint(UINT64_MAX) };

#define LIST(key)                                                            \
	"SELECT t.id, t.project_id, t.status, t.agent, t.repo_url,"          \
	" t.target_branch, t.commit_hash, t.error, t.changed_files,"         \
	" t.prompt, t.created_at, t.patch_bytes, t.chat_messages FROM tasks" \
	" t FORCE INDEX (" key ") WHERE t.user_id = ? AND (? IS NULL OR"     \
	" t.status = ?)"
	expect_plan(LIST("k_user") " ORDER", DB_ARGS(all), "t:k_user ");
	expect_plan(LIST("k_user") " AND t.created_at", DB_ARGS(after),
	    "t:k_user ");
	expect_plan(LIST("k_project") " AND t.project_id = ? ORDER",
	    DB_ARGS(in_project), "t:k_project ");
}

static void
a_claim_reads_as_many_rows_with_any_queue(void **state)
{
	const struct claim_limits limits = { 1000, 60 };
	const struct db_arg args[] = { db_arg_uint(1000) };
	int64_t before;
	struct err e = { 0 };
	struct claim c;

	(void)state;
	before = rows_read();
	ok(queue_claim(db, OWNER, &limits, &c, &e));
	claim_clear(&c);
	/* The user's running tasks, fifty of them, are counted twice. */
	expect_reads(before, 2 * 50 + 30);
	expect_plan("SELECT q.task_id, q.attempt, q.user_id", DB_ARGS(args),
	    "q:k_claim r:k_user ");
}

static void
leases_are_found_by_their_row_or_their_time(void **state)
{
	const struct sweep s = { OWNER, 5, 3600000, 3 };
	const struct db_arg args[] = { db_arg_uint(5), db_arg_text(OWNER),
		db_arg_uint(20) };
	struct hold h = { number("SELECT MIN(task_id) FROM task_queue"
				 " WHERE state = 'running'"),
		1 };
	const struct db_arg renew[] = { db_arg_text(OWNER), db_arg_uint(60),
		db_arg_int(h.task_id), db_arg_uint(1) };
	enum hold_state hs;
	int64_t before;
	unsigned int taken;
	struct err e = { 0 };

	(void)state;
	before = rows_read();
	ok(queue_renew(db, OWNER, &h, 60, &hs, &e));
	assert_int_equal(hs, HOLD_OURS);
	expect_reads(before, 3);
	expect_plan("UPDATE task_queue SET owner = ?, lease", DB_ARGS(renew),
	    "task_queue:PRIMARY ");
	before = rows_read();
	ok(queue_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 0);
	expect_reads(before, 3);
	expect_plan("SELECT task_id, attempt, cancel_requested_at IS NOT NULL,"
		    " tries, last_seq FROM task_queue WHERE state = 'running'",
	    DB_ARGS(args), "task_queue:k_lease ");
}

static void
an_owners_tasks_are_found_by_his_name(void **state)
{
	const struct db_arg args[] = { db_arg_text("machine-7:boot") };
	struct err e = { 0 };
	int64_t before;

	(void)state;
	rows_seen = 0;
	before = rows_read();
	ok(queue_owned(db, "machine-7:boot", count_hold, NULL, &e));
	assert_true(rows_seen >= 10);
	expect_reads(before, rows_seen + 2);
	expect_plan("SELECT task_id, attempt, cancel_requested_at IS NOT NULL"
		    " FROM task_queue WHERE owner = ? AND",
	    DB_ARGS(args), "task_queue:k_owner ");
	rows_seen = 0;
	before = rows_read();
	ok(queue_owned_by_past_boots(db, "machine-7", "new", count_hold, NULL,
	    &e));
	assert_true(rows_seen >= 10);
	expect_reads(before, 2 * rows_seen + 4);
}

static void
a_start_and_a_place_in_line_read_little(void **state)
{
	struct task_place place;
	struct err e = { 0 };
	int64_t before;

	(void)state;
	before = rows_read();
	(void)start_task("00000000-0000-4000-8000-000000000002");
	/* His own live tasks, 650, are counted and their last turn taken. */
	expect_reads(before, 2 * 660 + 20);
	before = rows_read();
	ok(task_queue_place(db, a_task_of_user_1(), &place, &e));
	assert_true(place.ahead == 1000);
	expect_reads(before, 3 * 1000 + 10);
}

int
run_plan_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poll_reads_two_rows),
		cmocka_unit_test(a_page_of_a_list_reads_its_own_rows),
		cmocka_unit_test(a_claim_reads_as_many_rows_with_any_queue),
		cmocka_unit_test(leases_are_found_by_their_row_or_their_time),
		cmocka_unit_test(an_owners_tasks_are_found_by_his_name),
		cmocka_unit_test(a_start_and_a_place_in_line_read_little),
	};

	return cmocka_run_group_tests_name("plan", tests, plan_up, plan_down);
}
