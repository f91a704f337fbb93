#include "fixture.h"

#include <string.h>

static const struct event_new two_lines[] = {
	{ 1, "step", "2026-11-23 10:11:12.000001", "{\"a\":1}", 7 },
	{ 2, "output", "2026-11-23 10:11:13.000000", "{\"b\":2}", 7 },
};

static void
a_task_goes_from_start_to_completed(void **state)
{
	enum task_state final;
	enum hold_state hs;
	struct err e = { 0 };
	uint64_t shipped = 0;
	struct hold h;
	char user[37];
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	id = start_task(user);
	h = claim_one(OWNER);
	assert_true(h.task_id == id);
	assert_int_equal(h.attempt, 1);
	ok(queue_renew(db, OWNER, &h, 60, &hs, &e));
	assert_int_equal(hs, HOLD_OURS);
	ok(queue_ship(db, &h, 60, two_lines, 1, &shipped, &e));
	assert_true(shipped == 1);
	ok(queue_complete(db, &h, two_lines + 1, 1, shipped, &small_result,
	    &final, &e));
	assert_int_equal(final, TASK_COMPLETED);
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
	assert_true(number("SELECT MAX(seq) FROM task_events") == 5);
	assert_true(number("SELECT COUNT(*) FROM task_events") == 5);
	assert_true(
	    number("SELECT JSON_LENGTH(chat_messages) FROM tasks") == 2);
	assert_true(number("SELECT status = 'completed' AND error IS NULL AND"
			   " started_at <= completed_at FROM tasks") == 1);
}

int
run_queue_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_goes_from_start_to_completed),
	};

	return cmocka_run_group_tests_name("queue", tests, fixture_up,
	    fixture_down);
}
