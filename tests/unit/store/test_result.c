#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* How tasks end, and what is kept of what a run brings. */

#define MIB (1024UL * 1024)

static void
a_wish_to_cancel_wins_over_any_outcome(void **state)
{
	static const enum task_state outcomes[] = { TASK_COMPLETED, TASK_FAILED,
		TASK_CANCELLED };
	struct task_result r = small_result;
	enum task_state now, final;
	enum hold_state hs;
	struct err e = { 0 };
	struct hold h;
	int64_t id;

	(void)state;
	r.error = "text";
	for (int i = 0; i < 3; i++) {
		id = test_one_task();
		h = claim_one(OWNER);
		ok(task_cancel(db, test_user, id, &now, &e));
		assert_int_equal(now, TASK_RUNNING);
		ok(queue_renew(db, OWNER, &h, 60, &hs, &e));
		assert_int_equal(hs, HOLD_CANCEL);
		r.outcome = outcomes[i];
		ok(queue_complete(db, &h, test_lines, 1, 0, &r, &final, &e));
		assert_int_equal(final, TASK_CANCELLED);
		test_expect_ended("cancelled");
		assert_true(number("SELECT git_patch IS NULL AND failure_code"
				   " IS NULL FROM tasks") == 1);
	}
	id = test_one_task();
	h = claim_one(OWNER);
	ok(task_cancel(db, test_user, id, &now, &e));
	ok(queue_give_back(db, &h, 0, true, "was lost", &e));
	test_expect_ended("cancelled");
}

static void
a_failure_leaves_the_result_columns_alone(void **state)
{
	struct task_result r = small_result;
	enum task_state final;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	r.outcome = TASK_FAILED;
	r.failure = FAILURE_TIMEOUT;
	r.error = "The agent took longer than 300 s";
	ok(queue_complete(db, &h, NULL, 0, 0, &r, &final, &e));
	test_expect_ended("failed");
	assert_true(number("SELECT error LIKE '%300 s' AND failure_code ="
			   " 'timeout' AND git_diff IS NULL AND commit_hash IS"
			   " NULL AND changed_files = '[]' AND"
			   " JSON_LENGTH(chat_messages) = 1 FROM tasks") == 1);
	assert_true(number("SELECT JSON_VALUE(data, '$.failure') = 'timeout'"
			   " FROM task_events WHERE kind = 'end'") == 1);
}

static void
a_run_without_changes_is_completed_and_empty(void **state)
{
	const struct task_result r = { .outcome = TASK_COMPLETED,
		.changed_files = "[]",
		.changed_files_len = 2 };
	enum task_state final;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	ok(queue_complete(db, &h, NULL, 0, 0, &r, &final, &e));
	test_expect_ended("completed");
	assert_true(number("SELECT commit_hash IS NULL AND git_diff = '' AND"
			   " git_patch = '' AND patch_bytes = 0 AND"
			   " JSON_LENGTH(chat_messages) = 1 AND"
			   " execution_metadata = '{}' FROM tasks") == 1);
}

static void
a_result_that_no_table_takes_is_refused_at_once(void **state)
{
	struct task_result bad[4];
	enum task_state final;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	(void)test_one_task();
	h = claim_one(OWNER);
	for (int i = 0; i < 4; i++)
		bad[i] = small_result;
	bad[0].git_diff = "\xff";
	bad[0].git_diff_len = 1;
	bad[1].metadata = "{";
	bad[1].metadata_len = 1;
	bad[2].outcome = TASK_PENDING;
	bad[3].message = "\xed\xa0\x80";
	bad[3].message_len = 3;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(
		    queue_complete(db, &h, NULL, 0, 0, &bad[i], &final, &e),
		    -1);
		assert_int_equal(e.kind, ERR_INVALID);
	}
	ok(queue_complete(db, &h, NULL, 0, 0, &small_result, &final, &e));
}

/* Fault row 68. The server's limit is 64 MiB. */
static void
a_result_over_the_packet_is_cut_or_fails_clearly(void **state)
{
	size_t len = 70 * MIB;
	char *big = malloc(len);
	struct task_result r = small_result;
	unsigned int before;
	enum task_state final;
	struct err e = { 0 };
	struct hold h;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', len);
	for (size_t i = 79; i < len; i += 80)
		big[i] = '\n';
	(void)test_one_task();
	h = claim_one(OWNER);
	before = db_generation(db);
	r.git_diff = r.message = big;
	r.git_diff_len = r.message_len = len;
	ok(queue_complete(db, &h, test_lines, 1, 0, &r, &final, &e));
	assert_int_equal(final, TASK_COMPLETED);
	test_expect_ended("completed");
	assert_true(number("SELECT LENGTH(git_diff) BETWEEN 63 << 20 AND"
			   " 64 << 20 AND git_diff LIKE '%x\n[diff cut here:"
			   " % of 73400320 bytes]\n' FROM tasks") == 1);
	assert_true(number("SELECT JSON_LENGTH(chat_messages) = 2 AND"
			   " JSON_VALID(chat_messages) AND chat_messages LIKE"
			   " '%[cut here]\"%' FROM tasks") == 1);

	(void)test_one_task();
	h = claim_one(OWNER);
	r = small_result;
	r.git_patch = big;
	r.git_patch_len = len;
	ok(queue_complete(db, &h, NULL, 0, 0, &r, &final, &e));
	assert_int_equal(final, TASK_FAILED);
	test_expect_ended("failed");
	assert_true(number("SELECT failure_code = 'too_large' AND error LIKE"
			   " 'The patch is larger than%' AND git_patch IS NULL"
			   " FROM tasks") == 1);

	/* A patch of what the limits allow, and a diff like it, go in. */
	(void)test_one_task();
	h = claim_one(OWNER);
	r.git_patch_len = r.git_diff_len = 50 * MIB;
	r.git_diff = big;
	ok(queue_complete(db, &h, NULL, 0, 0, &r, &final, &e));
	assert_int_equal(final, TASK_COMPLETED);
	assert_true(number("SELECT LENGTH(git_patch) = 50 << 20 AND"
			   " LENGTH(git_diff) = 50 << 20 FROM tasks") == 1);
	assert_int_equal(db_generation(db), before);
	free(big);
}

int
run_result_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wish_to_cancel_wins_over_any_outcome),
		cmocka_unit_test(a_failure_leaves_the_result_columns_alone),
		cmocka_unit_test(a_run_without_changes_is_completed_and_empty),
		cmocka_unit_test(
		    a_result_that_no_table_takes_is_refused_at_once),
		cmocka_unit_test(
		    a_result_over_the_packet_is_cut_or_fails_clearly),
	};

	return cmocka_run_group_tests_name("result", tests, fixture_up,
	    fixture_down);
}
