#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/proc.h"

#define LIMIT_MS 30000

static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };

struct tree {
	const char *script;
	useconds_t scatter_us; /* until all of it stands */
};

/*
 * A subreaper with a shell script's children, all of which it then kills. The
 * result is how many were found, or 100 and more when one is left.
 */
static int
kill_the_tree_of(void *ctx)
{
	const struct tree *tree = ctx;
	const char *argv[] = { "/bin/sh", "-c", tree->script, NULL };
	const struct proc_spec spec = { .argv = argv, .env = env };
	struct proc p = { 0 };
	struct err e = { 0 };
	size_t count;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) == -1 ||
	    proc_spawn(&p, &spec, &e) == -1)
		return 200;
	(void)usleep(tree->scatter_us);
	count = proc_kill_descendants();
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		return 100;
	return (int)count;
}

static int
killed_after(const char *script, useconds_t scatter_us)
{
	struct tree tree = { script, scatter_us };
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };

	assert_int_equal(proc_fork(&p, kill_the_tree_of, &tree, &e), 0);
	if (proc_wait(&p, LIMIT_MS, &end, &e) != 1)
		fail_msg("it hangs: %s", script);
	assert_int_equal(end.signal, 0);
	proc_forget(&p);
	return end.code;
}

/* None may be left; how many there were may take a busy machine a while. */
static void
must_kill(const char *script, int want)
{
	int count = -1;

	for (useconds_t wait = 200000; wait < 60000000; wait *= 4) {
		count = killed_after(script, wait);
		assert_true(count < 100);
		if (count == want)
			return;
	}
	fail_msg("%d processes of: %s", count, script);
}

static void
no_descendant_escapes(void **state)
{
	(void)state;
	/* A plain child; and one that has ended already. */
	must_kill("exec sleep 60", 1);
	must_kill("exit 0", 0);
	/* A session of its own (P5). */
	must_kill("setsid sleep 60 & exec sleep 60", 2);
	/* Forked twice, its parents gone: it is the subreaper's. */
	must_kill("(setsid sh -c 'sleep 60 & sleep 60 & exit 0' &) ; exit 0",
	    2);
	/* Deaf to all that can be ignored, and one that is stopped. */
	must_kill("trap '' TERM HUP INT; sleep 60 & kill -STOP $!; sleep 60",
	    3);
	/* A chain of children. */
	must_kill("sh -c \"sh -c 'sh -c \\\"sleep 60; :\\\"; :'; :\"; :", 5);
}

static void
who_keeps_forking_is_caught(void **state)
{
	int count = 0;

	(void)state;
	/*
	 * Each process starts the next and ends: the pid is never the same.
	 * None may be left; that one was seen long enough to be counted is
	 * luck.
	 */
	for (int i = 0; i < 20 && count == 0; i++) {
		count = killed_after("f() { sleep 0.01; f & exit 0; }; "
				     "ulimit -u 5000; f & f & f & exit 0",
		    300000);
		assert_true(count < 100);
	}
	assert_true(count >= 1);
}

static void
a_start_time_tells_processes_apart(void **state)
{
	uint64_t own = proc_start_time(getpid());

	(void)state;
	assert_true(own > 0);
	assert_true(own == proc_start_time(getpid()));
	assert_true(proc_start_time(1) <= own);
	assert_int_equal(proc_start_time(0x7fffffff), 0);
}

static int
name_with_brackets(void *ctx)
{
	uint64_t *want = ctx;

	if (prctl(PR_SET_NAME, ") R 1 (", 0L, 0L, 0L) == -1)
		return 1;
	return proc_start_time(getpid()) >= *want ? 0 : 2;
}

static void
a_name_cannot_fake_a_start_time(void **state)
{
	uint64_t own = proc_start_time(getpid());
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(proc_fork(&p, name_with_brackets, &own, &e), 0);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	assert_int_equal(end.code, 0);
	proc_forget(&p);
}

static int
harden_and_look(void *ctx)
{
	struct rlimit core;

	(void)ctx;
	proc_harden();
	if (prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
		return 1;
	if (getrlimit(RLIMIT_CORE, &core) == -1 || core.rlim_max != 0)
		return 2;
	return 0;
}

static void
a_hardened_process_leaves_no_dump(void **state)
{
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(proc_fork(&p, harden_and_look, NULL, &e), 0);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	assert_int_equal(end.code, 0);
	proc_forget(&p);
}

static void
a_boot_has_an_id(void **state)
{
	struct err e = { 0 };
	char id[37], again[37];

	(void)state;
	assert_int_equal(proc_boot_id(id, &e), 0);
	assert_int_equal(proc_boot_id(again, &e), 0);
	assert_int_equal(strlen(id), 36);
	assert_string_equal(id, again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_descendant_escapes),
		cmocka_unit_test(who_keeps_forking_is_caught),
		cmocka_unit_test(a_start_time_tells_processes_apart),
		cmocka_unit_test(a_name_cannot_fake_a_start_time),
		cmocka_unit_test(a_hardened_process_leaves_no_dump),
		cmocka_unit_test(a_boot_has_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
