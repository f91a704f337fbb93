#include "fixture.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/impl.h"
#include "db/migrate.h"
#include "util/encode.h"

#define DATABASE "taskmill_test"

/* What a forked child of a test exits with when it fails. */
#define CHILD_FAILED 99

struct db *db;

static pid_t main_pid; /* of the process that runs the tests */

char test_user[37];

/* clang-format off */
const struct event_new test_lines[3] = {
	{ 1, "step", "2026-11-23 10:11:12.000001", "{\"a\":1}", 7 },
	{ 2, "output", "2026-11-23 10:11:13.000000", "{\"b\":2}", 7 },
	{ 3, "output", "2026-11-23 10:11:14.000000", "{\"c\":3}", 7 },
};
/* clang-format on */

const struct task_result small_result = {
	.outcome = TASK_COMPLETED,
	.commit_hash = "0123456789abcdef0123456789abcdef01234567",
	.container_id = "sandbox-1",
	.git_diff = "--- a\n+++ b\n",
	.git_diff_len = 12,
	.git_patch = "From 0123\n\xff\xfe",
	.git_patch_len = 12,
	.changed_files = "[\"a.txt\"]",
	.changed_files_len = 9,
	.message = "I have \"done\" it\n",
	.message_len = 17,
	.metadata = "{\"steps\":[]}",
	.metadata_len = 12,
};

static const char *
user_name(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	assert_non_null(pw);
	return pw->pw_name;
}

struct db *
test_connect_to(const char *socket_path, const char *name)
{
	struct db_options o = { .socket = socket_path,
		.host = "",
		.name = name,
		.user = user_name(),
		.password = "",
		.ca_file = "" };
	struct err e = { 0 };
	struct db *d;

	ok(db_open(&d, &o, &e));
	return d;
}

struct db *
test_connect_at(const char *socket_path)
{
	return test_connect_to(socket_path, DATABASE);
}

struct db *
test_connect(void)
{
	return test_connect_at(getenv("TASKMILL_TEST_DB_SOCKET"));
}

void
ok_(int rc, const struct err *e, const char *file, int line)
{
	if (rc < 0) {
		print_error("%s:%d: %s: %s\n", file, line,
		    err_kind_name(e->kind), e->text);
		if (getpid() != main_pid)
			_exit(CHILD_FAILED); /* not on with the other tests */
		_fail(file, line);
	}
}

void
sql(const char *text)
{
	struct err e = { 0 };

	ok(db_text_exec(db, text, strlen(text), &e));
}

int64_t
number(const char *text)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	int64_t n = -1;

	struct err e = { 0 };

	ok(db_ping(db, &e));
	assert_int_equal(mysql_query(db->m, text), 0);
	res = mysql_store_result(db->m);
	assert_non_null(res);
	row = mysql_fetch_row(res);
	if (row != NULL && row[0] != NULL)
		n = strtoll(row[0], NULL, 10);
	mysql_free_result(res);
	return n;
}

void
clean(void)
{
	static const char *const tables[] = { "task_queue", "task_attempts",
		"task_events", "task_secrets", "idempotency_keys", "machines",
		"tasks", "projects", "refresh_tokens", "sessions", "api_tokens",
		"rate_windows", "audit_log", "user_credentials", "users" };
	char text[80];

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		(void)snprintf(text, sizeof(text), "DELETE FROM %s", tables[i]);
		sql(text);
	}
}

void
make_user(char id[37])
{
	char text[200];

	uuid_new(id);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO users (id, email) VALUES ('%s', '%s@example.org')", id,
	    id);
	sql(text);
}

int64_t
start_task(const char *user_id)
{
	static const uint8_t nonce[16] = { 1, 2, 3 };
	const struct task_new t = { .user_id = user_id,
		.prompt = "Write a file",
		.repo_url = "https://github.com/a/b",
		.branch = "main",
		.agent = "claude",
		.key_id = "0123456789abcdef",
		.nonce = nonce,
		.sealed = "sealed\0bytes",
		.sealed_len = 12,
		.most_live = 100000 };
	enum task_start_end end;
	struct err e = { 0 };
	int64_t id = 0;

	ok(task_start(db, &t, &end, &id, &e));
	assert_int_equal(end, TASK_STARTED);
	return id;
}

struct hold
claim_one(const char *owner)
{
	const struct claim_limits limits = { 100, 60 };
	struct err e = { 0 };
	struct claim c;
	struct hold h;
	int got;

	got = queue_claim(db, owner, &limits, &c, &e);
	ok(got);
	assert_int_equal(got, 1);
	h = c.hold;
	claim_clear(&c);
	return h;
}

int
fixture_up(void **state)
{
	const char *path = getenv("TASKMILL_TEST_DB_SOCKET");
	struct err e = { 0 };
	unsigned int applied;
	struct db *any;

	(void)state;
	main_pid = getpid();
	any = test_connect_to(path, "");
	ok(db_exec(any, "CREATE DATABASE IF NOT EXISTS " DATABASE, DB_NO_ARGS,
	    NULL, &e));
	db_close(any);
	db = test_connect();
	ok(migrate_run(db, TEST_SQL_DIR, &applied, NULL, NULL, &e));
	clean();
	return 0;
}

int
fixture_down(void **state)
{
	(void)state;
	db_close(db);
	db = NULL;
	return 0;
}

int64_t
test_one_task(void)
{
	clean();
	make_user(test_user);
	return start_task(test_user);
}

void
test_expect_ended(const char *status)
{
	char text[300];

	(void)snprintf(text, sizeof(text),
	    "SELECT COUNT(*) FROM tasks WHERE status = '%s'"
	    " AND completed_at IS NOT NULL",
	    status);
	assert_true(number(text) == 1);
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_events"
			   " WHERE kind = 'end'") == 1);
	assert_true(number("SELECT kind = 'end' FROM task_events"
			   " ORDER BY seq DESC LIMIT 1") == 1);
	assert_true(number("SELECT MAX(seq) = COUNT(*) FROM task_events") == 1);
}
