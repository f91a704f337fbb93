#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/proc.h"

#define LIMIT_MS 60000

#ifdef TASKMILL_FAULTS

static int
pass_thrice(void *ctx)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)dup2(fd, STDERR_FILENO); /* the aborts are meant */
	for (int i = 0; i < 3; i++)
		FAULT_POINT(ctx);
	return 0;
}

/*
 * How a process ends that passes a point three times under that setting. A
 * signal of -1 says that it stood still for limit_ms.
 */
static struct proc_end
pass_within(const char *setting, const char *point, int limit_ms)
{
	struct proc_end end = { 0 };
	struct proc p = { 0 };
	struct err e = { 0 };
	char name[64];

	(void)snprintf(name, sizeof(name), "%s", point);
	if (setting == NULL)
		assert_int_equal(unsetenv("TASKMILL_FAULT"), 0);
	else
		assert_int_equal(setenv("TASKMILL_FAULT", setting, 1), 0);
	assert_int_equal(proc_fork(&p, pass_thrice, name, &e), 0);
	if (proc_wait(&p, limit_ms, &end, &e) == 0) {
		assert_int_equal(proc_signal(&p, SIGKILL, &e), 0);
		assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
		end.signal = -1;
	}
	proc_forget(&p);
	return end;
}

static struct proc_end
pass(const char *setting, const char *point)
{
	return pass_within(setting, point, LIMIT_MS);
}

static void
a_point_acts_at_its_nth_pass(void **state)
{
	static const struct {
		const char *setting;
		int code, signal;
	} cases[] = {
		{ NULL, 0, 0 },
		{ "", 0, 0 },
		{ "run.start:1:exit", 70, 0 },
		{ "run.start:3:exit", 70, 0 },
		{ "run.start:4:exit", 0, 0 },
		{ "run.after_open:1:exit", 0, 0 },
		{ "run.after_open:1:exit,run.start:2:kill", 137, SIGKILL },
		{ "run.start:1:stop", 137, -1 },
		{ "run.start:1:sleep=1,run.start:2:exit", 70, 0 },
		{ "run.start:1:sleep=60000", 137, -1 },
		/* What is written wrong must not pass for a good test. */
		{ "run.start:1:explode", 134, SIGABRT },
		{ "run.start:1:sleep=", 134, SIGABRT },
		{ "no.such:1:exit", 134, SIGABRT },
		{ "run.start", 134, SIGABRT },
		{ "run.start:x:exit", 134, SIGABRT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_end end = pass_within(cases[i].setting, "run.start",
		    cases[i].signal == -1 ? 300 : LIMIT_MS);

		if (end.code != cases[i].code || end.signal != cases[i].signal)
			fail_msg("%s: %d, %d", cases[i].setting, end.code,
			    end.signal);
	}
	assert_int_equal(pass(NULL, "no.such").signal, SIGABRT);
}

static void
once_is_once_for_all_processes(void **state)
{
	assert_int_equal(setenv("TASKMILL_FAULT_ONCE", *state, 1), 0);
	assert_int_equal(pass("run.start:1:exit", "run.start").code, 70);
	assert_int_equal(pass("run.start:1:exit", "run.start").code, 0);
	assert_int_equal(pass("run.in_agent:1:exit", "run.in_agent").code, 70);
	assert_int_equal(setenv("TASKMILL_FAULT_ONCE", "/none/such", 1), 0);
	assert_int_equal(pass("run.start:1:exit", "run.start").signal, SIGABRT);
	assert_int_equal(unsetenv("TASKMILL_FAULT_ONCE"), 0);
}

#endif

static void
the_list_says_whether_there_are_points(void **state)
{
	(void)state;
#ifdef TASKMILL_FAULTS
	assert_int_equal(fault_points_print(), 0);
#else
	assert_int_equal(fault_points_print(), 1);
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef TASKMILL_FAULTS
		cmocka_unit_test(a_point_acts_at_its_nth_pass),
		cmocka_unit_test_setup_teardown(once_is_once_for_all_processes,
		    scratch_make, scratch_remove),
#endif
		cmocka_unit_test(the_list_says_whether_there_are_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
