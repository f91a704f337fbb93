/* Tasks that wait for room elsewhere: back into the queue, and no try. */
#include "fixture.h"

static struct task_place
place(int64_t id)
{
	struct task_place p;
	struct err e = { 0 };

	ok(task_queue_place(db, id, &p, &e));
	return p;
}

static int64_t
waited(const struct hold *h)
{
	int64_t ms = -1;
	struct err e = { 0 };

	ok(queue_waited_ms(db, h, &ms, &e));
	return ms;
}

static void
a_deferred_task_waits_and_says_why(void **state)
{
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(waited(&h), 0);
	ok(queue_defer(db, &h, "no \"room\"", &e));
	assert_int_equal(place(id).ahead, 0);
	assert_string_equal(place(id).reason, "no \"room\"");
	assert_true(number("SELECT state = 'pending' AND tries = 0 AND"
			   " owner IS NULL AND lease_until IS NULL AND"
			   " run_at <= UTC_TIMESTAMP(6)"
			   " FROM task_queue") == 1);
	assert_true(number("SELECT status = 'pending' FROM tasks") == 1);
	assert_true(number("SELECT outcome = 'deferred' AND ended_at IS NOT"
			   " NULL FROM task_attempts") == 1);
	assert_true(
	    number(
		"SELECT kind = 'waiting' AND JSON_VALUE(data, '$.why') ="
		" 'no \"room\"' AND JSON_VALUE(data, '$.status') ="
		" 'pending' FROM task_events ORDER BY seq DESC LIMIT 1") == 1);
	/* It is over for this attempt: nobody writes for it any more. */
	assert_int_equal(queue_defer(db, &h, "x", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

static void
it_waits_from_the_first_refusal_in_a_row(void **state)
{
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	struct err e = { 0 };

	(void)state;
	ok(queue_defer(db, &h, "room", &e));
	sql("UPDATE task_queue SET waiting_since ="
	    " waiting_since - INTERVAL 100 SECOND");
	h = claim_one(OWNER);
	assert_string_equal(place(id).reason, ""); /* it runs */
	assert_true(waited(&h) >= 100000);
	ok(queue_defer(db, &h, "room", &e));
	h = claim_one(OWNER);
	assert_true(waited(&h) >= 100000);
	/* Something else came between: it has had its room. */
	ok(queue_give_back(db, &h, 0, true, "lost", &e));
	assert_string_equal(place(id).reason, "");
	h = claim_one(OWNER);
	assert_int_equal(waited(&h), 0);
	assert_true(number("SELECT tries FROM task_queue") == 1);
}

static void
a_wish_to_cancel_ends_it_instead(void **state)
{
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	enum task_state now;
	struct err e = { 0 };

	(void)state;
	ok(task_cancel(db, test_user, id, &now, &e));
	assert_int_equal(now, TASK_RUNNING);
	ok(queue_defer(db, &h, "room", &e));
	test_expect_ended("cancelled");
}

int
run_defer_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deferred_task_waits_and_says_why),
		cmocka_unit_test(it_waits_from_the_first_refusal_in_a_row),
		cmocka_unit_test(a_wish_to_cancel_ends_it_instead),
	};

	return cmocka_run_group_tests_name("defer", tests, fixture_up,
	    fixture_down);
}
