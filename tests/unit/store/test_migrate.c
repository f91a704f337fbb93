#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/migrate.h"
#include "db/migrate_scan.h"
#include "fixture.h"
#include "util/file.h"

#define PATH_BYTES 200

static char folder[64];

static void
put(const char *name, const char *text)
{
	char path[PATH_BYTES];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	ok(file_replace(AT_FDCWD, path, text, strlen(text), 0600, &e));
}

static int
new_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/tm-mig.XXXXXX");
	assert_non_null(mkdtemp(folder));
	sql("CREATE OR REPLACE DATABASE taskmill_mig");
	sql("USE taskmill_mig");
	return 0;
}

static int
drop_folder(void **state)
{
	struct err e = { 0 };

	(void)state;
	ok(dir_remove(AT_FDCWD, folder, &e));
	db_close(db);
	db = test_connect();
	sql("DROP DATABASE taskmill_mig");
	return 0;
}

/* A connection to the empty database, as migrate_run() makes new ones. */
static struct db *
connect_mig(void)
{
	return test_connect_to(getenv("TASKMILL_TEST_DB_SOCKET"),
	    "taskmill_mig");
}

static int
run(unsigned int *applied, struct err *e)
{
	struct db *d = connect_mig();
	int rc = migrate_run(d, folder, applied, NULL, NULL, e);

	db_close(d);
	return rc;
}

static void
the_scanner_cuts_at_the_right_semicolons(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		const char *want; /* joined by "|"; "!" at the end: error */
	} cases[] = {
		{ "", "" },
		{ " \n\t ;; ; ", "" },
		{ "SELECT 1", "SELECT 1" },
		{ "SELECT 1;\nSELECT 2 ;\n", "SELECT 1|SELECT 2" },
		{ "SELECT ';'; SELECT \";\"; SELECT `;`",
		  "SELECT ';'|SELECT \";\"|SELECT `;`" },
		{ "SELECT 'it''s;', 'a\\';b'; X", "SELECT 'it''s;', 'a\\';b'|X" },
		{ "SELECT `a\\`; X", "SELECT `a\\`|X" },
		{ "-- one; two\nA; # three;\nB", "A|B" },
		{ "A -- ;\n B;C", "A -- ;\n B|C" },
		{ "/* ; */ A /* ; ' */ ; B", "A /* ; ' */|B" },
		{ "A--1;B", "A--1|B" },
		{ "A;--", "A" },
		{ "/*!40000 SELECT 1 */; B", "/*!40000 SELECT 1 */|B" },
		{ "/*M!100 SELECT 1 */; B", "/*M!100 SELECT 1 */|B" },
		{ "A '-- '; B", "A '-- '|B" },
		{ "A; 'never", "A|!" },
		{ "A; /* never", "A|!" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sql_scan s = { cases[i].text,
			cases[i].text + strlen(cases[i].text) };
		char got[200] = "";
		const char *text;
		size_t len;
		int rc;

		while ((rc = sql_scan_next(&s, &text, &len)) == 1) {
			if (got[0] != '\0')
				(void)strcat(got, "|");
			(void)strncat(got, text, len);
		}
		if (rc == -1)
			(void)strcat(got, "|!");
		assert_string_equal(got, cases[i].want);
	}
}

static void
migrations_are_applied_once_and_in_order(void **state)
{
	struct db *d = connect_mig();
	unsigned int applied, version;
	struct err e = { 0 };

	(void)state;
	ok(migrate_version(d, &version, &e));
	assert_int_equal(version, 0);
	put("0001_a.sql", "CREATE TABLE a (n INT); INSERT INTO a VALUES (1);");
	put("0002_b.sql", "UPDATE a SET n = n * 10 + 2;");
	put("README", "not a migration");
	ok(run(&applied, &e));
	assert_int_equal(applied, 2);
	ok(run(&applied, &e));
	assert_int_equal(applied, 0);
	put("0003_c.sql", "-- nothing to do\n");
	ok(run(&applied, &e));
	assert_int_equal(applied, 1);
	ok(migrate_version(d, &version, &e));
	assert_int_equal(version, 3);
	db_close(d);
	assert_true(number("SELECT n FROM a") == 12);
}

static void
a_changed_file_and_a_gap_are_refused(void **state)
{
	unsigned int applied;
	struct err e = { 0 };

	(void)state;
	put("0001_a.sql", "CREATE TABLE a (n INT);");
	ok(run(&applied, &e));
	put("0001_a.sql", "CREATE TABLE a (n BIGINT);");
	put("0002_b.sql", "CREATE TABLE b (n INT);");
	assert_int_equal(run(&applied, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.text, "changed"));
	put("0001_a.sql", "CREATE TABLE a (n INT);");
	put("0004_d.sql", "CREATE TABLE d (n INT);");
	assert_int_equal(run(&applied, &e), -1);
	assert_non_null(strstr(e.text, "0003 is missing"));
	assert_true(number("SELECT COUNT(*) FROM information_schema.tables"
			   " WHERE table_schema = DATABASE()") == 2);
}

static void
a_newer_database_is_refused(void **state)
{
	unsigned int applied;
	struct err e = { 0 };

	(void)state;
	put("0001_a.sql", "CREATE TABLE a (n INT);");
	ok(run(&applied, &e));
	sql("INSERT INTO schema_migrations"
	    " SELECT 2, 'x', sha256, begun_at, 1, applied_at"
	    " FROM schema_migrations");
	assert_int_equal(run(&applied, &e), -1);
	assert_non_null(strstr(e.text, "newer"));
}

static void
a_file_that_stopped_half_way_is_named(void **state)
{
	unsigned int applied, version;
	struct db *d = connect_mig();
	struct err e = { 0 };

	(void)state;
	put("0001_a.sql", "CREATE TABLE a (n INT); CREATE TABLE a (n INT);");
	assert_int_equal(run(&applied, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.text, "statement 2 of 2"));
	assert_int_equal(run(&applied, &e), -1);
	assert_non_null(strstr(e.text, "stopped at its statement 2"));
	ok(migrate_version(d, &version, &e));
	assert_int_equal(version, 0);
	db_close(d);
}

static void
two_at_once_apply_each_file_once(void **state)
{
	int status, sum = 0;
	pid_t pids[4];

	(void)state;
	put("0001_a.sql", "CREATE TABLE a (n INT); INSERT INTO a VALUES (0);");
	put("0002_b.sql", "UPDATE a SET n = n + 1; DO SLEEP(0.2);");
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			unsigned int applied;
			struct err e = { 0 };

			ok(run(&applied, &e));
			_exit((int)applied);
		}
	}
	for (int i = 0; i < 4; i++) {
		assert_true(waitpid(pids[i], &status, 0) == pids[i]);
		assert_true(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	assert_int_equal(sum, 2);
	assert_true(number("SELECT n FROM a") == 1);
}

/* The program's idea of the newest version is that of its own files. */
static void
our_own_files_end_at_our_version(void **state)
{
	unsigned int version;
	struct err e = { 0 };

	(void)state;
	ok(migrate_version(db, &version, &e));
	assert_int_equal(version, SCHEMA_VERSION);
}

/* While an upgrade is under way the schema is ahead of the old program. */
static void
an_older_schema_is_refused_a_newer_one_is_not(void **state)
{
	(void)state;
	assert_false(migrate_fits(0));
	assert_false(migrate_fits(SCHEMA_VERSION - 1));
	assert_true(migrate_fits(SCHEMA_VERSION));
	assert_true(migrate_fits(SCHEMA_VERSION + 1));
}

int
run_migrate_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_files_end_at_our_version),
		cmocka_unit_test(an_older_schema_is_refused_a_newer_one_is_not),
		cmocka_unit_test(the_scanner_cuts_at_the_right_semicolons),
		cmocka_unit_test_setup_teardown(
		    migrations_are_applied_once_and_in_order, new_folder,
		    drop_folder),
		cmocka_unit_test_setup_teardown(
		    a_changed_file_and_a_gap_are_refused, new_folder,
		    drop_folder),
		cmocka_unit_test_setup_teardown(a_newer_database_is_refused,
		    new_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
		    a_file_that_stopped_half_way_is_named, new_folder,
		    drop_folder),
		cmocka_unit_test_setup_teardown(
		    two_at_once_apply_each_file_once, new_folder, drop_folder),
	};

	return cmocka_run_group_tests_name("migrate", tests, fixture_up,
	    fixture_down);
}
