#include <errno.h>
#include <fcntl.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/impl.h"
#include "fixture.h"

#define MIB (1024UL * 1024)

/* One value of one row; -1 fails the test. */
static int64_t
one_int(struct db *d, const char *text, const struct db_arg *args, size_t n)
{
	struct db_rows *rows;
	struct err e = { 0 };
	int64_t got;

	ok(db_query(d, text, args, n, &rows, &e));
	ok(db_next(rows, &e));
	got = db_col_int(rows, 0);
	db_rows_end(rows);
	return got;
}

static void
the_session_is_set_up_as_written(void **state)
{
	struct err e = { 0 };

	(void)state;
	ok(db_ping(db, &e));
	assert_true(one_int(db,
			"SELECT @@sql_mode LIKE '%STRICT_TRANS_TABLES%'"
			" AND @@tx_isolation = 'READ-COMMITTED'"
			" AND @@time_zone = '+00:00' AND @@autocommit = 1"
			" AND @@innodb_lock_wait_timeout = 5"
			" AND @@max_statement_time = 20"
			" AND @@idle_transaction_timeout = 30"
			" AND @@character_set_connection = 'utf8mb4'",
			DB_NO_ARGS) == 1);
	assert_true(db_max_packet(db) == 64 * MIB);
	assert_true(
	    (fcntl(mysql_get_socket(db->m), F_GETFD) & FD_CLOEXEC) != 0);
}

static void
values_come_back_as_they_went(void **state)
{
	static const char bytes[] = "a\0b\xff";
	const struct db_arg args[] = { db_arg_int(INT64_MIN),
		db_arg_uint(UINT64_MAX), db_arg_text("Grüße"),
		db_arg_bytes(bytes, 4), db_arg_text(NULL), db_arg_text("") };
	struct db_rows *rows;
	struct err e = { 0 };
	const char *got;
	size_t len;

	(void)state;
	ok(db_query(db,
	    "SELECT ?, ?, ?, ?, ?, ?,"
	    " CAST('2026-11-23 10:11:12.000120' AS DATETIME(6)), 12.5",
	    DB_ARGS(args), &rows, &e));
	assert_int_equal(db_next(rows, &e), 1);
	assert_true(db_col_int(rows, 0) == INT64_MIN);
	assert_true(db_col_uint(rows, 1) == UINT64_MAX);
	assert_string_equal(db_col_text(rows, 2), "Grüße");
	got = db_col_bytes(rows, 3, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(got, bytes, 4);
	assert_true(db_col_null(rows, 4));
	assert_string_equal(db_col_text(rows, 4), "");
	assert_true(db_col_int(rows, 4) == 0);
	assert_false(db_col_null(rows, 5));
	assert_string_equal(db_col_text(rows, 6), "2026-11-23 10:11:12.000120");
	assert_true(db_col_int(rows, 7) == 12);
	assert_int_equal(db_next(rows, &e), 0);
	assert_int_equal(db_next(rows, &e), 0);
	db_rows_end(rows);
}

/* Around the size of the place in the row, and far beyond it. */
static void
long_columns_are_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 254, 255, 256, 257, 300, 70000,
		17 * MIB, 255 };
	struct db_rows *rows;
	struct err e = { 0 };
	const char *got;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct db_arg args[] = { db_arg_uint(sizes[i]) };

		ok(db_query(db, "SELECT REPEAT('x', ?), 'tail'", DB_ARGS(args),
		    &rows, &e));
		ok(db_next(rows, &e));
		got = db_col_bytes(rows, 0, &len);
		assert_int_equal(len, sizes[i]);
		assert_int_equal(strlen(got), len);
		if (len > 0)
			assert_true(got[0] == 'x' && got[len - 1] == 'x');
		assert_string_equal(db_col_text(rows, 1), "tail");
		db_rows_end(rows);
	}
}

static void
rows_that_nobody_read_are_no_obstacle(void **state)
{
	struct db_rows *rows;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		ok(db_query(db, "SELECT seq FROM seq_1_to_20000", DB_NO_ARGS,
		    &rows, &e));
		ok(db_next(rows, &e));
		db_rows_end(rows);
		assert_true(one_int(db, "SELECT 7", DB_NO_ARGS) == 7);
	}
	ok(db_exec(db, "SELECT seq FROM seq_1_to_1000", DB_NO_ARGS, NULL, &e));
	assert_true(one_int(db, "SELECT 7", DB_NO_ARGS) == 7);
}

static void
a_second_result_is_refused_while_one_is_open(void **state)
{
	struct db_rows *rows, *second;
	struct err e = { 0 };

	(void)state;
	ok(db_query(db, "SELECT 1", DB_NO_ARGS, &rows, &e));
	assert_int_equal(db_query(db, "SELECT 2", DB_NO_ARGS, &second, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	db_rows_end(rows);
	ok(db_ping(db, &e));
}

static void
wrong_statements_are_broken_and_harmless(void **state)
{
	const struct db_arg args[] = { db_arg_int(1) };
	unsigned int before;
	struct err e = { 0 };

	(void)state;
	ok(db_ping(db, &e));
	before = db_generation(db);
	assert_int_equal(db_exec(db, "SELEKT 1", DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(db_exec(db, "DO 1 + 1", DB_ARGS(args), NULL, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(
	    db_exec(db, "SELECT * FROM nowhere", DB_NO_ARGS, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	ok(db_ping(db, &e));
	assert_int_equal(db_generation(db), before);
}

static void
a_duplicate_is_a_conflict_that_names_no_value(void **state)
{
	const struct db_arg args[] = { db_arg_text("secret@example.org") };
	static const char add[] = "INSERT INTO dup VALUES (?)";
	struct err e = { 0 };

	(void)state;
	sql("CREATE OR REPLACE TABLE dup (a VARCHAR(80) PRIMARY KEY)");
	ok(db_exec(db, add, DB_ARGS(args), NULL, &e));
	assert_int_equal(db_exec(db, add, DB_ARGS(args), NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_null(strstr(e.text, "secret"));
	assert_non_null(strstr(e.text, "PRIMARY"));
	sql("DROP TABLE dup");
}

/* It is refused here: the server would cut the connection (C13). */
static void
a_packet_over_the_limit_costs_no_connection(void **state)
{
	size_t len = 64 * MIB;
	char *big = calloc(1, len);
	const struct db_arg args[] = { db_arg_bytes(big, len) };
	unsigned int before;
	struct err e = { 0 };

	(void)state;
	assert_non_null(big);
	ok(db_ping(db, &e));
	before = db_generation(db);
	assert_int_equal(db_exec(db, "DO LENGTH(?)", DB_ARGS(args), NULL, &e),
	    -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	ok(db_ping(db, &e));
	assert_int_equal(db_generation(db), before);
	free(big);
}

static void
a_row_larger_than_the_packet_can_be_read(void **state)
{
	struct db_rows *rows;
	struct err e = { 0 };
	size_t a, b;

	(void)state;
	ok(db_query(db, "SELECT REPEAT('a', 40000000), REPEAT('b', 40000000)",
	    DB_NO_ARGS, &rows, &e));
	ok(db_next(rows, &e));
	(void)db_col_bytes(rows, 0, &a);
	(void)db_col_bytes(rows, 1, &b);
	assert_true(a == 40000000 && b == 40000000);
	db_rows_end(rows);
}

static void
the_server_cannot_ask_for_files(void **state)
{
	struct err e = { 0 };

	(void)state;
	sql("CREATE OR REPLACE TABLE grab (a TEXT)");
	assert_int_equal(
	    db_exec(db, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE grab",
		DB_NO_ARGS, NULL, &e),
	    -1);
	assert_true(number("SELECT COUNT(*) FROM grab") == 0);
	sql("DROP TABLE grab");
}

static void
another_host_needs_a_ca(void **state)
{
	const struct db_options o = { .socket = "",
		.host = "192.0.2.1",
		.port = 3306,
		.name = "x",
		.user = "x",
		.password = "x",
		.ca_file = "" };
	struct err e = { 0 };
	struct db *d;

	(void)state;
	ok(db_open(&d, &o, &e));
	assert_int_equal(db_ping(d, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.text, "CA file"));
	db_close(d);
}

static void
a_server_that_is_not_there_is_worth_another_call(void **state)
{
	struct err e = { 0 };
	struct db *d = test_connect_at("/nonexistent/socket");

	(void)state;
	assert_int_equal(db_ping(d, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	db_close(d);
}

/* A child that closes its copy must not end the parent's connection (C9). */
static void
a_child_cannot_end_its_parents_connection(void **state)
{
	unsigned int before;
	struct err e = { 0 };
	int status;
	pid_t pid;

	(void)state;
	ok(db_ping(db, &e));
	before = db_generation(db);
	pid = fork();
	if (pid == 0) {
		int refused = db_ping(db, &e) == -1 && e.kind == ERR_BROKEN;

		db_close(db);
		_exit(refused ? 0 : 1);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	ok(db_ping(db, &e));
	assert_int_equal(db_generation(db), before);
}

static void
error_numbers_have_their_class(void **state)
{
	(void)state;
	assert_int_equal(db_fault_of(0), DB_FAULT_NONE);
	assert_int_equal(db_fault_of(1213), DB_FAULT_AGAIN);
	assert_int_equal(db_fault_of(1205), DB_FAULT_AGAIN);
	assert_int_equal(db_fault_of(1020), DB_FAULT_AGAIN);
	assert_int_equal(db_fault_of(1047), DB_FAULT_AGAIN);
	assert_int_equal(db_fault_of(1180), DB_FAULT_AGAIN);
	assert_int_equal(db_fault_of(2002), DB_FAULT_AWAY);
	assert_int_equal(db_fault_of(2003), DB_FAULT_AWAY);
	assert_int_equal(db_fault_of(2006), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(2013), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(2055), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(1053), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(1927), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(1290), DB_FAULT_LOST);
	assert_int_equal(db_fault_of(1040), DB_FAULT_BUSY);
	assert_int_equal(db_fault_of(1203), DB_FAULT_BUSY);
	assert_int_equal(db_fault_of(1226), DB_FAULT_BUSY);
	assert_int_equal(db_fault_of(1969), DB_FAULT_SLOW);
	assert_int_equal(db_fault_of(1062), DB_FAULT_CONFLICT);
	assert_int_equal(db_fault_of(1064), DB_FAULT_FATAL);
	assert_int_equal(db_fault_of(1406), DB_FAULT_FATAL);
}

int
run_db_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_session_is_set_up_as_written),
		cmocka_unit_test(values_come_back_as_they_went),
		cmocka_unit_test(long_columns_are_whole),
		cmocka_unit_test(rows_that_nobody_read_are_no_obstacle),
		cmocka_unit_test(a_second_result_is_refused_while_one_is_open),
		cmocka_unit_test(wrong_statements_are_broken_and_harmless),
		cmocka_unit_test(a_duplicate_is_a_conflict_that_names_no_value),
		cmocka_unit_test(a_packet_over_the_limit_costs_no_connection),
		cmocka_unit_test(a_row_larger_than_the_packet_can_be_read),
		cmocka_unit_test(the_server_cannot_ask_for_files),
		cmocka_unit_test(another_host_needs_a_ca),
		cmocka_unit_test(
		    a_server_that_is_not_there_is_worth_another_call),
		cmocka_unit_test(a_child_cannot_end_its_parents_connection),
		cmocka_unit_test(error_numbers_have_their_class),
	};

	return cmocka_run_group_tests_name("db", tests, fixture_up,
	    fixture_down);
}
