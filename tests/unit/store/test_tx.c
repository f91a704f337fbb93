#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/impl.h"
#include "fixture.h"

/* Lost connections, and transactions that are run again. */

/* Kills d's connection from db's, and waits until it is gone. */
static void
kill_connection(struct db *d)
{
	unsigned long id = mysql_thread_id(d->m);
	char text[120];

	(void)snprintf(text, sizeof(text), "KILL %lu", id);
	sql(text);
	(void)snprintf(text, sizeof(text),
	    "SELECT COUNT(*) FROM information_schema.processlist"
	    " WHERE id = %lu",
	    id);
	while (number(text) != 0)
		(void)usleep(1000);
}

static void
a_read_survives_a_killed_connection_and_a_write_says_so(void **state)
{
	struct db *d = test_connect();
	struct err e = { 0 };

	(void)state;
	ok(db_ping(d, &e));
	kill_connection(d);
	ok(db_ping(d, &e));
	assert_int_equal(db_generation(d), 2);
	kill_connection(d);
	assert_int_equal(db_exec(d, "DO 1", DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	ok(db_exec(d, "DO 1", DB_NO_ARGS, NULL, &e));
	kill_connection(d);
	ok(db_exec_again(d, "DO 1", DB_NO_ARGS, NULL, &e));
	assert_int_equal(db_generation(d), 4);
	db_close(d);
}

static void
a_connection_killed_under_an_open_result_is_closed_cleanly(void **state)
{
	struct db *d = test_connect();
	struct db_rows *rows;
	struct err e = { 0 };
	int got;

	(void)state;
	ok(db_query(d, "SELECT seq, REPEAT('x', 9000) FROM seq_1_to_20000",
	    DB_NO_ARGS, &rows, &e));
	ok(db_next(rows, &e));
	kill_connection(d);
	while ((got = db_next(rows, &e)) == 1)
		;
	assert_int_equal(got, -1);
	assert_int_equal(e.kind, ERR_RETRY);
	db_rows_end(rows);
	ok(db_ping(d, &e));
	db_close(d);
}

/* A transaction for tests: does what it is told on its first tries. */
struct script {
	int tries;
	int fail_tries;
	void (*trouble)(struct db *d);
	enum err_kind kind;
};

static int
scripted(struct db *d, void *ctx, struct err *e)
{
	struct script *s = ctx;

	s->tries++;
	if (db_exec(d, "UPDATE counter SET n = n + 1", DB_NO_ARGS, NULL, e) ==
	    -1)
		return -1;
	if (s->tries <= s->fail_tries) {
		if (s->trouble == NULL)
			return err_set(e, s->kind, "asked to fail");
		s->trouble(d);
	}
	return db_exec(d, "UPDATE counter SET n = n + 10", DB_NO_ARGS, NULL, e);
}

static int64_t
run_script(struct db *d, struct script *s, int want, enum err_kind kind)
{
	const struct db_tx tx = { .body = scripted, .ctx = s };
	struct err e = { 0 };

	sql("CREATE OR REPLACE TABLE counter (n INT)");
	sql("INSERT INTO counter VALUES (0)");
	assert_int_equal(db_run(d, &tx, &e), want);
	if (want == -1)
		assert_int_equal(e.kind, kind);
	return number("SELECT n FROM counter");
}

static void
swallow_an_error(struct db *d)
{
	struct err e = { 0 };

	assert_int_equal(
	    db_exec(d, "INSERT INTO nowhere VALUES (1)", DB_NO_ARGS, NULL, &e),
	    -1);
}

static void
a_transaction_is_all_or_nothing_and_tried_again(void **state)
{
	struct db *d = test_connect();
	struct script plain = { 0 };
	struct script twice = { .fail_tries = 2, .kind = ERR_RETRY };
	struct script always = { .fail_tries = 99, .kind = ERR_RETRY };
	struct script never = { .fail_tries = 99, .kind = ERR_CONFLICT };
	struct script killed = { .fail_tries = 1, .trouble = kill_connection };
	struct script deaf = { .fail_tries = 9, .trouble = swallow_an_error };

	(void)state;
	assert_true(run_script(d, &plain, 0, 0) == 11);
	assert_true(run_script(d, &twice, 0, 0) == 11);
	assert_int_equal(twice.tries, 3);
	assert_true(run_script(d, &always, -1, ERR_RETRY) == 0);
	assert_int_equal(always.tries, 5);
	assert_true(run_script(d, &never, -1, ERR_CONFLICT) == 0);
	assert_int_equal(never.tries, 1);
	assert_true(run_script(d, &killed, 0, 0) == 11);
	assert_int_equal(killed.tries, 2);
	assert_true(run_script(d, &deaf, -1, ERR_BROKEN) == 0);
	sql("DROP TABLE counter");
	db_close(d);
}

struct crossing {
	int first, second;
	int tries;
};

static int
cross(struct db *d, void *ctx, struct err *e)
{
	static const char add[] = "UPDATE pair SET n = n + 1 WHERE id = ?";
	struct crossing *c = ctx;
	const struct db_arg a[] = { db_arg_int(c->first) };
	const struct db_arg b[] = { db_arg_int(c->second) };

	c->tries++;
	if (db_exec(d, add, DB_ARGS(a), NULL, e) == -1)
		return -1;
	(void)usleep(2000);
	return db_exec(d, add, DB_ARGS(b), NULL, e);
}

static int
cross_often(int first, int second)
{
	struct crossing c = { first, second, 0 };
	const struct db_tx tx = { .body = cross, .ctx = &c };
	struct db *d = test_connect();
	struct err e = { 0 };

	for (int i = 0; i < 10; i++) {
		ok(db_run(d, &tx, &e));
		(void)usleep(5000);
	}
	db_close(d);
	return c.tries;
}

static void
deadlocks_cost_time_and_nothing_else(void **state)
{
	int status, tries;
	pid_t pid;

	(void)state;
	sql("CREATE OR REPLACE TABLE pair (id INT PRIMARY KEY, n INT)");
	sql("INSERT INTO pair VALUES (1, 0), (2, 0)");
	pid = fork();
	if (pid == 0) {
		tries = cross_often(2, 1);
		_exit(tries > 10 ? 1 : 0);
	}
	tries = cross_often(1, 2);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	assert_true(tries > 10 || WEXITSTATUS(status) == 1);
	assert_true(
	    number("SELECT MIN(n) = 20 AND MAX(n) = 20 FROM pair") == 1);
	sql("DROP TABLE pair");
}

int
run_tx_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_read_survives_a_killed_connection_and_a_write_says_so),
		cmocka_unit_test(
		    a_connection_killed_under_an_open_result_is_closed_cleanly),
		cmocka_unit_test(
		    a_transaction_is_all_or_nothing_and_tried_again),
		cmocka_unit_test(deadlocks_cost_time_and_nothing_else),
	};

	return cmocka_run_group_tests_name("tx", tests, fixture_up,
	    fixture_down);
}
