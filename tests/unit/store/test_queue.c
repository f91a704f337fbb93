#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define MACHINE_2 "aaaaaaaa-0000-4000-8000-000000000002"
#define MIB (1024UL * 1024)

static void
a_task_goes_from_start_to_completed(void **state)
{
	enum task_state final;
	enum hold_state hs;
	struct err e = { 0 };
	uint64_t shipped = 0;
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	assert_int_equal(h.attempt, 1);
	ok(queue_renew(db, OWNER, &h, 60, &hs, &e));
	assert_int_equal(hs, HOLD_OURS);
	ok(queue_ship(db, &h, 60, test_lines, 1, &shipped, &e));
	ok(queue_ship(db, &h, 60, NULL, 0, &shipped, &e));
	ok(queue_ship(db, &h, 60, test_lines + 1, 1, &shipped, &e));
	assert_true(shipped == 2);
	ok(queue_shipped(db, &h, &shipped, &e));
	assert_true(shipped == 2);
	ok(queue_complete(db, &h, test_lines + 2, 1, shipped, &small_result,
	    &final, &e));
	assert_int_equal(final, TASK_COMPLETED);
	test_expect_ended("completed");
	assert_true(number("SELECT COUNT(*) FROM task_events") == 6);
	assert_true(number("SELECT spool_seq = 2 AND attempt = 1 AND kind ="
			   " 'output' AND data = '{\"b\":2}' FROM task_events"
			   " WHERE seq = 4") == 1);
	assert_true(
	    number("SELECT JSON_LENGTH(chat_messages) FROM tasks") == 2);
	assert_true(number("SELECT error IS NULL AND failure_code IS NULL AND"
			   " started_at <= completed_at FROM tasks") == 1);
}

static void
a_claim_hands_over_all_that_a_run_needs(void **state)
{
	const struct claim_limits limits = { 1, 60 };
	struct err e = { 0 };
	struct claim c;
	int64_t id;

	(void)state;
	id = test_one_task();
	assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 1);
	for (int i = 0; i < 2; i++) {
		assert_true(c.hold.task_id == id);
		assert_string_equal(c.user_id, test_user);
		assert_string_equal(c.prompt, "Write a file");
		assert_string_equal(c.repo_url, "https://github.com/a/b");
		assert_string_equal(c.branch, "main");
		assert_string_equal(c.agent, "claude");
		assert_int_equal(c.tries, 0);
		assert_true(c.has_secret);
		assert_string_equal(c.key_id, "0123456789abcdef");
		assert_int_equal(c.nonce[2], 3);
		assert_int_equal(c.sealed_len, 12);
		assert_memory_equal(c.sealed, "sealed\0bytes", 12);

		struct hold h = c.hold;

		claim_clear(&c);
		ok(queue_load(db, &h, &c, &e));
	}
	claim_clear(&c);
	assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 0);
}

/* Everything an attempt can do, when another one has the task. */
static void
a_superseded_attempt_can_do_nothing(void **state)
{
	struct hold old, new;
	uint64_t shipped = 0;
	enum task_state final;
	enum hold_state hs;
	struct err e = { 0 };
	struct claim c;

	(void)state;
	(void)test_one_task();
	old = claim_one(OWNER);
	ok(queue_give_back(db, &old, 0, true, "was lost", &e));
	new = claim_one(OWNER_2);
	assert_int_equal(new.attempt, 2);
	assert_int_equal(queue_ship(db, &old, 60, test_lines, 1, &shipped, &e),
	    -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_true(shipped == 0);
	assert_int_equal(
	    queue_complete(db, &old, NULL, 0, 0, &small_result, &final, &e),
	    -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(queue_give_back(db, &old, 0, true, "x", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	ok(queue_renew(db, OWNER, &old, 60, &hs, &e));
	assert_int_equal(hs, HOLD_SUPERSEDED);
	ok(queue_hold_state(db, &old, &hs, &e));
	assert_int_equal(hs, HOLD_SUPERSEDED);
	assert_int_equal(queue_load(db, &old, &c, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_true(
	    number("SELECT owner = '" OWNER_2 "' FROM task_queue") == 1);

	/* And after the end nobody can, not even the one who ended it. */
	ok(queue_complete(db, &new, NULL, 0, 0, &small_result, &final, &e));
	assert_int_equal(
	    queue_complete(db, &new, NULL, 0, 0, &small_result, &final, &e),
	    -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(queue_ship(db, &new, 60, test_lines, 1, &shipped, &e),
	    -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	test_expect_ended("completed");
	assert_true(number("SELECT GROUP_CONCAT(outcome ORDER BY attempt) ="
			   " 'dead,completed' FROM task_attempts") == 1);
}

static void
spool_lines_must_follow_what_was_shipped(void **state)
{
	uint64_t shipped = 0;
	enum task_state final;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	assert_int_equal(
	    queue_ship(db, &h, 60, test_lines + 1, 1, &shipped, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	ok(queue_ship(db, &h, 60, test_lines, 1, &shipped, &e));
	shipped = 0;
	assert_int_equal(queue_ship(db, &h, 60, test_lines, 1, &shipped, &e),
	    -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(
	    queue_complete(db, &h, test_lines, 1, 0, &small_result, &final, &e),
	    -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_true(number("SELECT last_seq FROM task_queue") == 3);
	assert_true(number("SELECT COUNT(*) FROM task_events") == 3);
}

/* More than a batch, short and long ones, and one that needs its own packet. */
static void
many_lines_arrive_in_order(void **state)
{
	enum {
		N = 100
	};
	static struct event_new many[N];
	char *big = malloc(MIB);
	uint64_t shipped = 0;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	assert_non_null(big);
	memset(big, ' ', MIB);
	big[0] = '{';
	big[MIB - 1] = '}';
	for (int i = 0; i < N; i++) {
		many[i] = test_lines[0];
		many[i].spool_seq = (uint64_t)i + 1;
		if (i == 40) {
			many[i].data = big;
			many[i].data_len = MIB;
		}
	}
	ok(queue_ship(db, &h, 60, many, N, &shipped, &e));
	assert_true(shipped == N);
	assert_true(number("SELECT COUNT(*) FROM task_events"
			   " WHERE seq = spool_seq + 2") == N);
	assert_true(number("SELECT LENGTH(data) FROM task_events"
			   " WHERE spool_seq = 41") == (int64_t)MIB);
	free(big);
}

static void
give_back_waits_and_counts_as_told(void **state)
{
	struct err e = { 0 };
	struct hold h;
	struct claim c;
	const struct claim_limits limits = { 1, 60 };

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	ok(queue_give_back(db, &h, 3600000, false, "the \"disk\" was full",
	    &e));
	assert_true(number("SELECT state = 'pending' AND tries = 0 AND owner"
			   " IS NULL AND run_at > UTC_TIMESTAMP() + INTERVAL"
			   " 59 MINUTE FROM task_queue") == 1);
	assert_true(number("SELECT status = 'pending' FROM tasks") == 1);
	assert_true(
	    number("SELECT JSON_VALUE(data, '$.why') = 'the \"disk\""
		   " was full' FROM task_events WHERE kind = 'lost'") == 1);
	assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 0);
	sql("UPDATE task_queue SET run_at = UTC_TIMESTAMP(6)");
	h = claim_one(OWNER);
	assert_int_equal(h.attempt, 2);
	ok(queue_give_back(db, &h, 0, true, "again", &e));
	assert_true(number("SELECT tries = 1 FROM task_queue") == 1);
}

static void
overdue(void)
{
	sql("UPDATE task_queue SET lease_until = UTC_TIMESTAMP(6)"
	    " - INTERVAL 10 SECOND WHERE state = 'running'");
}

static void
a_sweep_takes_only_what_is_overdue_and_elsewhere(void **state)
{
	const struct sweep theirs = { OWNER_2, 5, 0, 3 };
	const struct sweep ours = { OWNER, 5, 0, 3 };
	const struct sweep slack = { OWNER_2, 60, 0, 3 };
	struct err e = { 0 };
	unsigned int taken;

	(void)state;
	(void)test_one_task();
	(void)claim_one(OWNER);
	ok(queue_sweep(db, &theirs, &taken, &e));
	assert_int_equal(taken, 0);
	overdue();
	ok(queue_sweep(db, &ours, &taken, &e));
	assert_int_equal(taken, 0);
	ok(queue_sweep(db, &slack, &taken, &e));
	assert_int_equal(taken, 0);
	ok(queue_sweep(db, &theirs, &taken, &e));
	assert_int_equal(taken, 1);
	assert_true(number("SELECT state = 'pending' AND tries = 1"
			   " FROM task_queue") == 1);
	for (int i = 0; i < 2; i++) {
		(void)claim_one(OWNER);
		overdue();
		ok(queue_sweep(db, &theirs, &taken, &e));
		assert_int_equal(taken, 1);
	}
	test_expect_ended("failed");
	assert_true(number("SELECT failure_code = 'sandbox_lost' AND error"
			   " LIKE '%3 times%' FROM tasks") == 1);
}

static void
a_sweep_ends_what_was_to_be_cancelled(void **state)
{
	const struct sweep s = { OWNER_2, 5, 0, 3 };
	enum task_state now;
	unsigned int taken;
	struct err e = { 0 };
	int64_t id;

	(void)state;
	id = test_one_task();
	(void)claim_one(OWNER);
	ok(task_cancel(db, test_user, id, &now, &e));
	overdue();
	ok(queue_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 1);
	test_expect_ended("cancelled");
}

static void
a_sweep_takes_twenty_at_most(void **state)
{
	const struct sweep s = { OWNER_2, 5, 0, 3 };
	struct err e = { 0 };
	unsigned int taken;

	(void)state;
	(void)test_one_task();
	for (int i = 1; i < 25; i++)
		(void)start_task(test_user);
	for (int i = 0; i < 25; i++)
		(void)claim_one(OWNER);
	overdue();
	ok(queue_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 20);
	ok(queue_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 5);
}

/* By renewing, by shipping, or by bringing the result (fault row 38). */
static void
who_was_swept_comes_back_if_nobody_claimed(void **state)
{
	const struct sweep s = { OWNER_2, 5, 3600000, 3 };
	uint64_t shipped = 0;
	enum task_state final;
	enum hold_state hs;
	unsigned int taken;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	for (int i = 0; i < 3; i++) {
		overdue();
		ok(queue_sweep(db, &s, &taken, &e));
		assert_int_equal(taken, 1);
		ok(queue_hold_state(db, &h, &hs, &e));
		assert_int_equal(hs, HOLD_OURS);
		if (i == 2)
			break;
		if (i == 0) {
			ok(queue_renew(db, OWNER, &h, 60, &hs, &e));
			assert_int_equal(hs, HOLD_OURS);
		} else {
			ok(queue_ship(db, &h, 60, test_lines, 1, &shipped, &e));
		}
		assert_true(number("SELECT state = 'running' AND tries = 0 AND"
				   " attempt = 1 AND owner = '" OWNER "' AND"
				   " lease_until > UTC_TIMESTAMP()"
				   " FROM task_queue") == 1);
		assert_true(
		    number("SELECT status = 'running' FROM tasks") == 1);
	}
	ok(queue_complete(db, &h, test_lines + 1, 1, shipped, &small_result,
	    &final, &e));
	test_expect_ended("completed");
	assert_true(number("SELECT COUNT(*) = 1 AND MAX(outcome) ="
			   " 'completed' FROM task_attempts") == 1);
}

struct found {
	int n;
	int cancelled;
	int64_t last;
};

/* Uses the handle, as an engine does that gives tasks back. */
static int
note_hold(void *ctx, const struct hold *h, bool cancel, struct err *e)
{
	struct found *f = ctx;
	enum hold_state hs;

	f->n++;
	f->cancelled += cancel ? 1 : 0;
	f->last = h->task_id;
	return queue_hold_state(db, h, &hs, e);
}

static void
an_owner_finds_his_own_and_those_of_his_past(void **state)
{
	struct found now = { 0 }, past = { 0 }, other = { 0 };
	enum task_state st;
	struct err e = { 0 };
	int64_t id;

	(void)state;
	id = test_one_task();
	for (int i = 0; i < 3; i++)
		(void)start_task(test_user);
	(void)claim_one(MACHINE_2 ":boot-0");
	(void)claim_one(OWNER_2);
	(void)claim_one(OWNER_2);
	(void)claim_one(OWNER);
	ok(task_cancel(db, test_user, id, &st, &e));
	ok(queue_owned(db, OWNER_2, note_hold, &now, &e));
	assert_int_equal(now.n, 2);
	assert_int_equal(now.cancelled, 0);
	ok(queue_owned_by_past_boots(db, MACHINE_2, "boot-1", note_hold, &past,
	    &e));
	assert_int_equal(past.n, 1);
	assert_int_equal(past.cancelled, 1);
	assert_true(past.last == id);
	ok(queue_owned_by_past_boots(db, MACHINE_2, "boot-2", note_hold, &other,
	    &e));
	assert_int_equal(other.n, 3);
}

/* Deleting a user takes his tasks with it; what engine rows are left go too. */
static void
tasks_of_deleted_users_vanish_quietly(void **state)
{
	const struct claim_limits limits = { 9, 60 };
	enum task_state final;
	struct err e = { 0 };
	struct claim c;
	struct hold h;

	(void)state;
	(void)test_one_task();
	(void)start_task(test_user);
	h = claim_one(OWNER);
	sql("DELETE FROM users");
	assert_int_equal(queue_claim(db, OWNER, &limits, &c, &e), 0);
	ok(queue_complete(db, &h, NULL, 0, 0, &small_result, &final, &e));
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
}

static void
counts_and_expiry(void **state)
{
	struct queue_counts c;
	struct err e = { 0 };

	(void)state;
	(void)test_one_task();
	(void)start_task(test_user);
	(void)start_task(test_user);
	(void)claim_one(OWNER);
	sql("UPDATE task_queue SET run_at = run_at - INTERVAL 100 SECOND"
	    " WHERE state = 'pending'");
	ok(queue_counts_get(db, &c, &e));
	assert_true(c.pending == 2 && c.running == 1);
	assert_true(c.oldest_pending_s >= 100 && c.oldest_pending_s < 200);
	sql("INSERT INTO idempotency_keys SELECT id, 'old', '', 1,"
	    " UTC_TIMESTAMP() - INTERVAL 25 HOUR FROM users");
	sql("INSERT INTO idempotency_keys SELECT id, 'new', '', 1,"
	    " UTC_TIMESTAMP() - INTERVAL 23 HOUR FROM users");
	ok(queue_expire_keys(db, 24, &e));
	assert_true(number("SELECT COUNT(*) = 1 AND MAX(idem_key) = 'new'"
			   " FROM idempotency_keys") == 1);
	clean();
	ok(queue_counts_get(db, &c, &e));
	assert_true(
	    c.pending == 0 && c.running == 0 && c.oldest_pending_s == 0);
}

static void
expiry_says_when_there_is_more(void **state)
{
	struct err e = { 0 };

	(void)state;
	clean();
	make_user(test_user);
	sql("INSERT INTO idempotency_keys SELECT id, CONCAT('k', seq), '', 1,"
	    " UTC_TIMESTAMP() - INTERVAL 25 HOUR FROM users, seq_1_to_1500");
	assert_int_equal(queue_expire_keys(db, 24, &e), 1);
	assert_true(number("SELECT COUNT(*) FROM idempotency_keys") == 500);
	assert_int_equal(queue_expire_keys(db, 24, &e), 0);
	assert_true(number("SELECT COUNT(*) FROM idempotency_keys") == 0);
	sql("INSERT INTO rate_windows"
	    " SELECT 'start', UNHEX(SHA2(seq, 256)),"
	    " UTC_TIMESTAMP() - INTERVAL 40 DAY, 1, UTC_TIMESTAMP()"
	    " FROM seq_1_to_1500");
	assert_int_equal(queue_expire_keys(db, 24, &e), 1);
	assert_int_equal(queue_expire_keys(db, 24, &e), 0);
	assert_true(number("SELECT COUNT(*) FROM rate_windows") == 0);
}

int
run_queue_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_goes_from_start_to_completed),
		cmocka_unit_test(a_claim_hands_over_all_that_a_run_needs),
		cmocka_unit_test(a_superseded_attempt_can_do_nothing),
		cmocka_unit_test(spool_lines_must_follow_what_was_shipped),
		cmocka_unit_test(many_lines_arrive_in_order),
		cmocka_unit_test(give_back_waits_and_counts_as_told),
		cmocka_unit_test(
		    a_sweep_takes_only_what_is_overdue_and_elsewhere),
		cmocka_unit_test(a_sweep_ends_what_was_to_be_cancelled),
		cmocka_unit_test(a_sweep_takes_twenty_at_most),
		cmocka_unit_test(who_was_swept_comes_back_if_nobody_claimed),
		cmocka_unit_test(an_owner_finds_his_own_and_those_of_his_past),
		cmocka_unit_test(tasks_of_deleted_users_vanish_quietly),
		cmocka_unit_test(counts_and_expiry),
		cmocka_unit_test(expiry_says_when_there_is_more),
	};

	return cmocka_run_group_tests_name("queue", tests, fixture_up,
	    fixture_down);
}
