#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/*
 * A process that dies at a named place between two steps leaves either all of
 * a transaction behind or nothing (fault rows 2, 3, 13, 35).
 */

#ifdef TASKMILL_FAULTS

static struct hold held;

static void
do_start(struct db *d)
{
	(void)d;
	(void)start_task(test_user);
}

static void
do_claim(struct db *d)
{
	(void)d;
	(void)claim_one(OWNER);
}

static void
do_ship(struct db *d)
{
	uint64_t shipped = 0;
	struct err e = { 0 };

	ok(queue_ship(d, &held, 60, test_lines, 2, &shipped, &e));
}

static void
do_complete(struct db *d)
{
	enum task_state final;
	struct err e = { 0 };

	ok(queue_complete(d, &held, NULL, 0, 0, &small_result, &final, &e));
}

/* Does it in a child that dies at that place. */
static void
die_at(const char *point, void (*act)(struct db *d))
{
	char order[80];
	int status;
	pid_t pid;

	(void)snprintf(order, sizeof(order), "%s:1:kill", point);
	pid = fork();
	if (pid == 0) {
		(void)setenv("TASKMILL_FAULT", order, 1);
		db = test_connect();
		act(db);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* The dead one's connection is gone, and its transaction with it (M17). */
static void
wait_for_rollback(void)
{
	while (number("SELECT COUNT(*) FROM information_schema.processlist"
		      " WHERE db = DATABASE()") > 1)
		(void)usleep(1000);
}

/* clang-format off */
static const struct {
	const char *point;
	void (*act)(struct db *d);
	const char *undone; /* 1 when nothing of it is there */
	int done;
} places[] = {
	{ "start.before_tx", do_start, "SELECT COUNT(*) = 1 FROM tasks", 0 },
	{ "start.mid_tx", do_start, "SELECT COUNT(*) = 1 FROM tasks", 0 },
	{ "start.before_commit", do_start, "SELECT COUNT(*) = 1 FROM tasks", 0 },
	{ "start.after_commit", do_start, "SELECT COUNT(*) = 1 FROM tasks", 1 },
	{ "claim.before_commit", do_claim,
	  "SELECT COUNT(*) = 0 FROM task_attempts", 0 },
	{ "claim.after_commit", do_claim,
	  "SELECT COUNT(*) = 0 FROM task_attempts", 1 },
	{ "ship.before_commit", do_ship,
	  "SELECT shipped_seq = 0 FROM task_attempts", 0 },
	{ "ship.after_commit", do_ship,
	  "SELECT shipped_seq = 0 FROM task_attempts", 1 },
	{ "complete.before_commit", do_complete,
	  "SELECT COUNT(*) = 1 FROM task_queue", 0 },
	{ "complete.after_commit", do_complete,
	  "SELECT COUNT(*) = 1 FROM task_queue", 1 },
};
/* clang-format on */

static void
a_death_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)test_one_task();
		if (places[i].act == do_ship || places[i].act == do_complete)
			held = claim_one(OWNER);
		assert_true(number(places[i].undone) == 1);
		die_at(places[i].point, places[i].act);
		wait_for_rollback();
		assert_int_equal(number(places[i].undone), !places[i].done);
		assert_true(number("SELECT COUNT(*) FROM (SELECT task_id FROM"
				   " task_events GROUP BY task_id"
				   " HAVING MAX(seq) <> COUNT(*)) x") == 0);
		assert_true(number("SELECT (SELECT COUNT(*) FROM tasks WHERE"
				   " status IN ('pending', 'running')) ="
				   " (SELECT COUNT(*) FROM task_queue)") == 1);
	}
}

int
run_fault_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_death_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests_name("fault", tests, fixture_up,
	    fixture_down);
}

#else

int
run_fault_tests(void)
{
	print_message("fault points are not compiled in\n");
	return 0;
}

#endif
