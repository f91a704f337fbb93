#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* Many processes at the same tables, each with a connection of its own. */

#define PROCESSES 4

/* Runs child(i) in n processes; each must exit with 0. */
static void
crowd(int n, void (*child)(int i))
{
	pid_t pids[32];
	int status;

	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] != -1);
		if (pids[i] == 0) {
			db = test_connect();
			child(i);
			db_close(db);
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++) {
		assert_true(waitpid(pids[i], &status, 0) == pids[i]);
		assert_int_equal(status, 0);
	}
}

static char users[4][37];

static void
claim_until_empty(int i)
{
	const struct claim_limits limits = { 1000, 60 };
	enum task_state final;
	struct err e = { 0 };
	char owner[60];
	struct claim c;
	int got;

	(void)snprintf(owner, sizeof(owner), "machine-%d:boot", i);
	while ((got = queue_claim(db, owner, &limits, &c, &e)) == 1) {
		if (c.hold.task_id % 3 == 0)
			ok(queue_complete(db, &c.hold, NULL, 0, 0,
			    &small_result, &final, &e));
		claim_clear(&c);
	}
	ok(got);
}

static void
no_task_is_claimed_twice(void **state)
{
	(void)state;
	clean();
	for (int u = 0; u < 4; u++) {
		make_user(users[u]);
		for (int i = 0; i < 200; i++)
			(void)start_task(users[u]);
	}
	crowd(PROCESSES, claim_until_empty);
	assert_true(number("SELECT COUNT(*) FROM task_attempts") == 800);
	assert_true(number("SELECT MAX(attempt) FROM task_attempts") == 1);
	assert_true(number("SELECT COUNT(*) FROM task_events"
			   " WHERE kind = 'claimed'") == 800);
	assert_true(number("SELECT COUNT(*) FROM task_queue"
			   " WHERE state = 'pending'") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_queue q"
			   " JOIN task_attempts a USING (task_id, attempt)"
			   " WHERE a.owner <> q.owner") == 0);
	assert_true(number("SELECT COUNT(DISTINCT owner) > 1"
			   " FROM task_attempts") == 1);
}

static void
claim_at_most_three_a_user(int i)
{
	const struct claim_limits limits = { 3, 60 };
	struct err e = { 0 };
	char owner[60];
	struct claim c;
	int got;

	(void)snprintf(owner, sizeof(owner), "machine-%d:boot", i);
	for (int k = 0; k < 12; k++) {
		got = queue_claim(db, owner, &limits, &c, &e);
		ok(got);
		if (got == 1)
			claim_clear(&c);
	}
}

static void
a_users_limit_holds_over_all_machines(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		clean();
		for (int u = 0; u < 2; u++) {
			make_user(users[u]);
			for (int i = 0; i < 20; i++)
				(void)start_task(users[u]);
		}
		crowd(PROCESSES, claim_at_most_three_a_user);
		assert_true(number("SELECT COUNT(*) FROM task_queue"
				   " WHERE state = 'running'") == 6);
		assert_true(number("SELECT MAX(n) FROM (SELECT COUNT(*) AS n"
				   " FROM task_queue WHERE state = 'running'"
				   " GROUP BY user_id) x") == 3);
	}
}

/*
 * One has a hundred in line, then two others come with five each: they are
 * served in turn, and who comes late starts where the others are.
 */
static void
turns_go_round_between_users(void **state)
{
	int64_t id;
	int of[3] = { 0 };
	char text[200];

	(void)state;
	clean();
	for (int u = 0; u < 3; u++)
		make_user(users[u]);
	for (int i = 0; i < 100; i++)
		(void)start_task(users[0]);
	for (int i = 0; i < 10; i++)
		(void)claim_one(OWNER);
	for (int i = 0; i < 5; i++) {
		(void)start_task(users[1]);
		(void)start_task(users[2]);
	}
	for (int i = 0; i < 15; i++) {
		id = claim_one(OWNER).task_id;
		for (int u = 0; u < 3; u++) {
			(void)snprintf(text, sizeof(text),
			    "SELECT user_id = '%s' FROM tasks WHERE id = %lld",
			    users[u], (long long)id);
			of[u] += number(text) == 1 ? 1 : 0;
		}
		if (i % 3 == 2)
			for (int u = 0; u < 3; u++)
				assert_int_equal(of[u], i / 3 + 1);
	}
}

static void
who_is_at_his_limit_lets_others_pass(void **state)
{
	const struct claim_limits limits = { 2, 60 };
	struct err e = { 0 };
	struct claim c;

	(void)state;
	clean();
	make_user(users[0]);
	make_user(users[1]);
	for (int i = 0; i < 5; i++)
		(void)start_task(users[0]);
	(void)start_task(users[1]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 1);
		claim_clear(&c);
	}
	assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 0);
	assert_true(number("SELECT COUNT(DISTINCT user_id) FROM task_queue"
			   " WHERE state = 'running'") == 2);
}

/* With a limit of one: passes over the user whose place is being taken. */
static void
claim_for_the_other_user(void)
{
	const struct claim_limits limits = { 1, 60 };
	struct err e = { 0 };
	struct claim c;

	assert_int_equal(queue_claim(db, OWNER_2, &limits, &c, &e), 1);
	assert_string_equal(c.user_id, users[1]);
	claim_clear(&c);
	assert_int_equal(queue_claim(db, OWNER_2, &limits, &c, &e), 0);
}

/* Begins to run one of the user's tasks, and holds the lock of his row. */
static void
begin_to_take_the_place(const char *user, int64_t task)
{
	char text[200];

	sql("START TRANSACTION");
	(void)snprintf(text, sizeof(text),
	    "SELECT 1 FROM users WHERE id = '%s' FOR UPDATE", user);
	assert_true(number(text) == 1);
	(void)snprintf(text, sizeof(text),
	    "UPDATE task_queue SET state = 'running', owner = '%s'"
	    " WHERE task_id = %lld",
	    OWNER, (long long)task);
	sql(text);
}

/* InnoDB shows what it saw before to who asks again within 100 ms. */
static bool
somebody_waits(void)
{
	for (int i = 0; i < 400; i++) {
		if (number("SELECT COUNT(*) FROM information_schema.innodb_trx"
			   " WHERE trx_state = 'LOCK WAIT'") > 0)
			return true;
		(void)usleep(150000);
	}
	return false;
}

static void
a_place_lost_at_the_same_moment_is_no_fault(void **state)
{
	int64_t second;
	int status;
	pid_t pid;

	(void)state;
	clean();
	for (int u = 0; u < 2; u++)
		make_user(users[u]);
	(void)start_task(users[0]);
	second = start_task(users[0]);
	(void)start_task(users[1]);
	begin_to_take_the_place(users[0], second);
	if ((pid = fork()) == 0) {
		db = test_connect();
		claim_for_the_other_user();
		db_close(db);
		_exit(0);
	}
	assert_true(somebody_waits());
	sql("COMMIT");
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	assert_true(number("SELECT COUNT(DISTINCT user_id) FROM task_queue"
			   " WHERE state = 'running'") == 2);
	assert_true(number("SELECT COUNT(*) FROM task_queue"
			   " WHERE state = 'running'") == 2);
}

static int64_t raced[60];

static void
cancel_or_complete(int i)
{
	const struct claim_limits limits = { 1000, 60 };
	enum task_state now, final;
	struct err e = { 0 };
	struct claim c;
	int rc;

	for (int k = 0; k < 60; k++) {
		if (i % 2 == 0) {
			rc = task_cancel(db, users[0], raced[k], &now, &e);
			assert_true(rc == 0 || e.kind == ERR_CONFLICT);
			continue;
		}
		rc = queue_claim(db, OWNER, &limits, &c, &e);
		ok(rc);
		if (rc == 0)
			continue;
		ok(queue_complete(db, &c.hold, NULL, 0, 0, &small_result,
		    &final, &e));
		claim_clear(&c);
	}
}

static void
cancelling_and_completing_at_once_has_one_order(void **state)
{
	(void)state;
	clean();
	make_user(users[0]);
	for (int k = 0; k < 60; k++)
		raced[k] = start_task(users[0]);
	crowd(PROCESSES, cancel_or_complete);
	assert_true(number("SELECT COUNT(*) FROM tasks WHERE status IN"
			   " ('completed', 'cancelled')") == 60);
	assert_true(number("SELECT COUNT(*) FROM task_events"
			   " WHERE kind = 'end'") == 60);
	assert_true(number("SELECT COUNT(*) FROM tasks t JOIN task_events e"
			   " ON e.task_id = t.id AND e.kind = 'end' WHERE"
			   " JSON_VALUE(e.data, '$.status') <> t.status") == 0);
	/* A confirmed wish never ends as completed (A5). */
	assert_true(number("SELECT COUNT(*) FROM tasks t JOIN task_events e"
			   " ON e.task_id = t.id AND e.kind = 'cancel'"
			   " WHERE t.status <> 'cancelled'") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
	assert_true(number("SELECT COUNT(*) FROM (SELECT task_id FROM"
			   " task_events GROUP BY task_id"
			   " HAVING MAX(seq) <> COUNT(*)) x") == 0);
}

/* Twins with one key, and others beside them. */
static void
start_with_a_key(int i)
{
	static const uint8_t hash[32] = { 7 };
	const struct task_new t = { .user_id = users[0],
		.prompt = "p",
		.repo_url = "r",
		.branch = "b",
		.agent = "claude",
		.idem_key = i < 16 ? "the one key" : NULL,
		.req_hash = hash,
		.most_live = 3 };
	enum task_start_end end;
	struct err e = { 0 };
	int64_t id;

	ok(task_start(db, &t, &end, &id, &e));
	if (i < 16)
		assert_true(end == TASK_STARTED || end == TASK_REPLAYED ||
		    end == TASK_LIVE_FULL);
}

static void
twenty_starts_with_one_key_make_one_task(void **state)
{
	(void)state;
	clean();
	make_user(users[0]);
	crowd(20, start_with_a_key);
	assert_true(number("SELECT COUNT(*) FROM idempotency_keys") <= 1);
	assert_true(number("SELECT COUNT(*) FROM tasks") == 3);
	assert_true(number("SELECT COUNT(*) FROM tasks t LEFT JOIN"
			   " idempotency_keys k ON k.task_id = t.id"
			   " WHERE k.task_id IS NULL") >= 2);
}

int
run_crowd_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_task_is_claimed_twice),
		cmocka_unit_test(a_users_limit_holds_over_all_machines),
		cmocka_unit_test(turns_go_round_between_users),
		cmocka_unit_test(who_is_at_his_limit_lets_others_pass),
		cmocka_unit_test(a_place_lost_at_the_same_moment_is_no_fault),
		cmocka_unit_test(
		    cancelling_and_completing_at_once_has_one_order),
		cmocka_unit_test(twenty_starts_with_one_key_make_one_task),
	};

	return cmocka_run_group_tests_name("crowd", tests, fixture_up,
	    fixture_down);
}
