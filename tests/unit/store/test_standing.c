/* Whether an attempt may still own something outside. */
#include <stdio.h>

#include "fixture.h"
#include "store/machine.h"
#include "store/publish.h"
#include "store/standing.h"

static enum standing
standing(int64_t task, unsigned int attempt)
{
	const struct hold h = { task, attempt };
	enum standing s = STANDING_LIVE;
	struct err e = { 0 };

	ok(standing_of(db, &h, &s, &e));
	return s;
}

static void
of_a_task(void **state)
{
	int64_t id = test_one_task();
	struct err e = { 0 };
	enum task_state final;
	struct hold h;

	(void)state;
	assert_int_equal(standing(id, 0), STANDING_LIVE);
	assert_int_equal(standing(id, 1), STANDING_UNKNOWN);
	h = claim_one(OWNER);
	assert_int_equal(standing(id, 0), STANDING_OVER);
	assert_int_equal(standing(id, 1), STANDING_LIVE);
	assert_int_equal(standing(id, 2), STANDING_UNKNOWN);
	ok(queue_give_back(db, &h, 0, true, "its process died", &e));
	assert_int_equal(standing(id, 1), STANDING_OVER);
	assert_int_equal(standing(id, 2), STANDING_UNKNOWN);
	h = claim_one(OWNER);
	assert_int_equal(standing(id, 1), STANDING_OVER);
	assert_int_equal(standing(id, 2), STANDING_LIVE);
	ok(queue_complete(db, &h, NULL, 0, 0, &small_result, &final, &e));
	assert_int_equal(standing(id, 1), STANDING_OVER);
	assert_int_equal(standing(id, 2), STANDING_OVER);
	assert_int_equal(standing(id + 1000, 1), STANDING_UNKNOWN);
}

/* Its machine is silent; its runner may be alive, and come back. */
static void
of_a_task_that_was_swept(void **state)
{
	const struct sweep s = { OWNER_2, 5, 0, 3 };
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	struct err e = { 0 };
	enum hold_state now;
	unsigned int taken;

	(void)state;
	sql("UPDATE task_queue SET lease_until = NOW() - INTERVAL 1 HOUR");
	ok(queue_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 1);
	assert_int_equal(standing(id, 1), STANDING_LIVE);
	ok(queue_renew(db, OWNER, &h, 60, &now, &e));
	assert_int_equal(now, HOLD_OURS);
	assert_int_equal(standing(id, 1), STANDING_LIVE);
	/* Whatever was said of it: it has come back. */
	ok(queue_give_back(db, &h, 0, true, "its process died", &e));
	assert_int_equal(standing(id, 1), STANDING_OVER);
	ok(queue_renew(db, OWNER, &h, 60, &now, &e));
	assert_int_equal(standing(id, 1), STANDING_LIVE);
}

/* It had no room for a sandbox; what was made all the same is nobody's. */
static void
of_a_task_that_was_deferred(void **state)
{
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	struct err e = { 0 };

	(void)state;
	ok(queue_defer(db, &h, "room", &e));
	assert_int_equal(standing(id, 1), STANDING_OVER);
	h = claim_one(OWNER);
	assert_int_equal(standing(id, 1), STANDING_OVER);
	assert_int_equal(standing(id, 2), STANDING_LIVE);
}

/* A row that no queue row belongs to: a node in the middle of something. */
static void
of_a_task_without_its_row(void **state)
{
	int64_t id = test_one_task();

	(void)state;
	sql("DELETE FROM task_queue");
	assert_int_equal(standing(id, 1), STANDING_UNKNOWN);
}

static void
of_a_push(void **state)
{
	static const struct {
		const char *row;
		enum standing first, second, third;
	} rows[] = {
		{ "'requested', 1000002", STANDING_OVER, STANDING_LIVE,
		    STANDING_UNKNOWN },
		{ "'running', 1000002", STANDING_OVER, STANDING_LIVE,
		    STANDING_UNKNOWN },
		{ "'pushed', 1000002", STANDING_OVER, STANDING_OVER,
		    STANDING_UNKNOWN },
		{ "'done', 1000002", STANDING_OVER, STANDING_OVER,
		    STANDING_UNKNOWN },
		{ "'failed', 1000002", STANDING_OVER, STANDING_OVER,
		    STANDING_UNKNOWN },
	};
	int64_t id = test_one_task();
	char text[400];

	(void)state;
	assert_int_equal(standing(id, HOLD_PUBLISH + 1), STANDING_UNKNOWN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sql("DELETE FROM pull_requests");
		(void)snprintf(text, sizeof(text),
		    "INSERT INTO pull_requests (task_id, user_id, state,"
		    " attempt, run_at, repo_url, base_branch, requested_at)"
		    " SELECT id, user_id, %s, NOW(), '', '', NOW() FROM tasks"
		    " WHERE id = %lld",
		    rows[i].row, (long long)id);
		sql(text);
		assert_int_equal(standing(id, HOLD_PUBLISH + 1), rows[i].first);
		assert_int_equal(standing(id, HOLD_PUBLISH + 2),
		    rows[i].second);
		assert_int_equal(standing(id, HOLD_PUBLISH + 3), rows[i].third);
	}
	sql("DELETE FROM pull_requests");
}

static void
what_janitors_note(void **state)
{
	struct machine_cloud m;
	struct err e = { 0 };

	(void)state;
	sql("DELETE FROM machines");
	ok(machine_cloud_get(db, &m, &e));
	assert_int_equal(m.sandboxes, -1);
	assert_int_equal(m.killed, 0);
	ok(machine_register(db, "m-1", "b", 1, &e));
	ok(machine_register(db, "m-2", "b", 1, &e));
	ok(machine_cloud_get(db, &m, &e));
	assert_int_equal(m.sandboxes, -1);
	ok(machine_cloud_note(db, "m-1", false, 3, 2, &e));
	ok(machine_cloud_get(db, &m, &e));
	assert_int_equal(m.sandboxes, -1); /* not all of them */
	assert_int_equal(m.killed, 2);
	ok(machine_cloud_note(db, "m-1", true, 7, 0, &e));
	sql("UPDATE machines SET sandboxes_seen_at ="
	    " sandboxes_seen_at - INTERVAL 50 SECOND");
	ok(machine_cloud_note(db, "m-2", true, 5, 1, &e));
	ok(machine_cloud_get(db, &m, &e));
	assert_int_equal(m.sandboxes, 5);
	assert_true(m.age_s >= 0 && m.age_s < 50);
	assert_int_equal(m.killed, 3);
	sql("DELETE FROM machines");
}

int
run_standing_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_task),
		cmocka_unit_test(of_a_task_that_was_swept),
		cmocka_unit_test(of_a_task_that_was_deferred),
		cmocka_unit_test(of_a_task_without_its_row),
		cmocka_unit_test(of_a_push),
		cmocka_unit_test(what_janitors_note),
	};

	return cmocka_run_group_tests_name("standing", tests, fixture_up,
	    fixture_down);
}
