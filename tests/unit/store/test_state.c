#include "fixture.h"
#include "store/machine.h"

#define MACHINE_1 "aaaaaaaa-0000-4000-8000-000000000001"
#define MACHINE_2 "aaaaaaaa-0000-4000-8000-000000000002"

static void
machines_beat_and_copies_are_noticed(void **state)
{
	struct err e = { 0 };
	double age;

	(void)state;
	clean();
	ok(machine_age_s(db, &age, &e));
	assert_true(age < 0);
	assert_int_equal(machine_beat(db, MACHINE_2, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	ok(machine_register(db, MACHINE_2, "boot-1", 30, &e));
	ok(machine_register(db, MACHINE_2, "boot-1", 30, &e));
	assert_int_equal(machine_register(db, MACHINE_2, "boot-2", 30, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	sql("UPDATE machines SET seen_at = seen_at - INTERVAL 40 SECOND");
	ok(machine_age_s(db, &age, &e));
	assert_true(age >= 40 && age < 60);
	ok(machine_register(db, MACHINE_2, "boot-2", 30, &e));
	ok(machine_beat(db, MACHINE_2, NULL, &e));
	ok(machine_age_s(db, &age, &e));
	assert_true(age >= 0 && age < 5);
}

static void
one_machine_that_takes_tasks_is_enough(void **state)
{
	char trouble[MACHINE_TROUBLE_MAX];
	struct err e = { 0 };

	(void)state;
	clean();
	ok(machine_trouble(db, 30, trouble, &e));
	assert_string_equal(trouble, "");
	ok(machine_register(db, MACHINE_1, "boot-1", 30, &e));
	ok(machine_beat(db, MACHINE_1, "disk low", &e));
	ok(machine_trouble(db, 30, trouble, &e));
	assert_string_equal(trouble, "disk low");
	ok(machine_register(db, MACHINE_2, "boot-1", 30, &e));
	ok(machine_trouble(db, 30, trouble, &e));
	assert_string_equal(trouble, "");
	/* The healthy one is gone: its word counts no more. */
	sql("UPDATE machines SET seen_at = seen_at - INTERVAL 40 SECOND"
	    " WHERE trouble IS NULL");
	ok(machine_trouble(db, 30, trouble, &e));
	assert_string_equal(trouble, "disk low");
	/* A reaper that starts anew knows nothing yet. */
	ok(machine_register(db, MACHINE_1, "boot-1", 30, &e));
	ok(machine_trouble(db, 30, trouble, &e));
	assert_string_equal(trouble, "");
}

static void
names_are_there_and_back(void **state)
{
	(void)state;
	for (unsigned int s = 0; s <= TASK_STATE_N; s++)
		assert_int_equal(task_state_of(task_state_name(s)), s);
	for (unsigned int f = 0; f < FAILURE_N; f++)
		assert_int_equal(failure_of(failure_name(f)), f);
	assert_int_equal(failure_of("nonsense"), FAILURE_INTERNAL);
}

static void
three_states_are_final(void **state)
{
	(void)state;
	assert_false(task_state_final(TASK_PENDING));
	assert_false(task_state_final(TASK_RUNNING));
	assert_true(task_state_final(TASK_COMPLETED));
	assert_true(task_state_final(TASK_FAILED));
	assert_true(task_state_final(TASK_CANCELLED));
	assert_false(task_state_final(TASK_STATE_N));
}

int
run_state_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_beat_and_copies_are_noticed),
		cmocka_unit_test(one_machine_that_takes_tasks_is_enough),
		cmocka_unit_test(names_are_there_and_back),
		cmocka_unit_test(three_states_are_final),
	};

	return cmocka_run_group_tests_name("state", tests, fixture_up,
	    fixture_down);
}
