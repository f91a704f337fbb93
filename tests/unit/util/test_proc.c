#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/proc.h"

#define LIMIT_MS 60000

static const char *const plain_env[] = { "PATH=/usr/bin:/bin", NULL };

/* Runs a shell script and returns how it ended; its output goes to out. */
static struct proc_end
run(const struct proc_spec *like, const char *script, struct buf *out)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct proc_fd fds[8];
	struct proc_spec spec = *like;
	struct proc_end end = { 0 };
	struct proc p = { 0 };
	struct err e = { 0 };
	char piece[4096];
	int ends[2];
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	for (size_t i = 0; i < like->fd_count; i++)
		fds[i] = like->fds[i];
	fds[like->fd_count] = (struct proc_fd){ ends[1], 1 };
	spec.argv = argv;
	spec.fds = fds;
	spec.fd_count = like->fd_count + 1;
	if (spec.env == NULL)
		spec.env = plain_env;
	if (proc_spawn(&p, &spec, &e) != 0)
		fail_msg("%s", e.text);
	(void)close(ends[1]);
	while ((n = read(ends[0], piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)n);
	(void)close(ends[0]);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	proc_forget(&p);
	return end;
}

static void
how_a_child_ended_is_told(void **state)
{
	static const struct {
		const char *script;
		int code, signal;
	} cases[] = {
		{ "exit 0", 0, 0 },
		{ "exit 3", 3, 0 },
		{ "exit 255", 255, 0 },
		{ "kill -9 $$", 137, 9 },
		{ "kill -15 $$", 143, 15 },
	};
	const struct proc_spec spec = { 0 };
	struct buf out = BUF(1000);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct proc_end end = run(&spec, cases[i].script, &out);

		assert_int_equal(end.code, cases[i].code);
		assert_int_equal(end.signal, cases[i].signal);
	}
	buf_clear(&out);
}

static void
what_cannot_start_is_an_error_at_once(void **state)
{
	static const struct {
		const char *path, *cwd;
		enum err_kind kind;
		const char *word;
	} cases[] = {
		{ "/none/such", NULL, ERR_ABSENT, "exec" },
		{ "/etc", NULL, ERR_DENIED, "exec" },
		{ "/etc/passwd", NULL, ERR_DENIED, "exec" },
		{ "/bin/sh", "/none", ERR_ABSENT, "folder" },
	};
	struct err e = { 0 };
	struct proc p = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *argv[] = { cases[i].path, NULL };
		const struct proc_spec spec = { .argv = argv,
			.cwd = cases[i].cwd };

		assert_int_equal(proc_spawn(&p, &spec, &e), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_non_null(strstr(e.text, cases[i].word));
	}
	/* And it left no child behind. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
a_child_has_only_what_it_was_given(void **state)
{
	const struct proc_spec spec = { 0 };
	struct buf out = BUF(10000);
	const char *ignored;
	int stray[3];

	(void)state;
	/* Not close-on-exec, as libraries leave them (P9); one is high. */
	stray[0] = open("/dev/zero", O_RDONLY);
	stray[1] = fcntl(stray[0], F_DUPFD, 77);
	stray[2] = fcntl(stray[0], F_DUPFD, 600);
	/* 3 is the folder that ls reads. */
	(void)run(&spec, "exec ls /proc/self/fd", &out);
	assert_string_equal(out.data, "0\n1\n2\n3\n");
	buf_reset(&out);
	(void)run(&spec,
	    "readlink /proc/$$/fd/0; readlink /proc/$$/fd/2; env | sort | head -3; umask; "
	    /* Of itself: a shell that waits blocks signals for a moment. */
	    "ulimit -Sn; exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
	    &out);
	assert_true(strncmp(out.data, "/dev/null\n/dev/null\n", 20) == 0);
	assert_non_null(strstr(out.data, "PATH=/usr/bin:/bin\n"));
	assert_null(strstr(out.data, "HOME="));
	assert_non_null(strstr(out.data, "0022\n"));
	assert_non_null(strstr(out.data, "SigBlk:\t0000000000000000\n"));
	/* 32 and 33 are glibc's own, which nobody can set; make ignores them.
	 */
	ignored = strstr(out.data, "SigIgn:\t");
	assert_non_null(ignored);
	assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~0x180000000ULL, 0);
	for (size_t i = 0; i < 3; i++)
		(void)close(stray[i]);
	buf_clear(&out);
}

/* The same, from a process that blocks and ignores what it can (P7). */
static void
masks_and_ignored_signals_are_not_inherited(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	(void)sigaction(SIGPIPE, &ignore, &before);
	(void)umask(077);
	a_child_has_only_what_it_was_given(state);
	(void)umask(022);
	(void)sigaction(SIGPIPE, &before, NULL);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

static void
descriptors_may_change_places(void **state)
{
	int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_fd fds[4];
	const struct proc_spec spec = { .fds = fds, .fd_count = 4 };
	struct buf out = BUF(1000);
	struct err e = { 0 };
	int three, four;

	assert_int_equal(file_replace(dir, "a", "A", 1, 0600, &e), 0);
	assert_int_equal(file_replace(dir, "b", "B", 1, 0600, &e), 0);
	three = openat(dir, "a", O_RDONLY | O_CLOEXEC);
	four = openat(dir, "b", O_RDONLY | O_CLOEXEC);
	/* Each to the other's number; and each to a second one. */
	fds[0] = (struct proc_fd){ three, four };
	fds[1] = (struct proc_fd){ four, three };
	fds[2] = (struct proc_fd){ three, 0 };
	fds[3] = (struct proc_fd){ four, 9 };
	{
		char script[200];

		(void)snprintf(script, sizeof(script),
		    "for f in %d %d 0 9; do readlink /proc/$$/fd/$f; done | "
		    "sed 's,.*/,,' | tr -d '\\n'",
		    four, three);
		(void)run(&spec, script, &out);
	}
	assert_string_equal(out.data, "abab");
	buf_clear(&out);
	(void)close(three);
	(void)close(four);
	(void)close(dir);
}

static void
limits_session_folder_and_priority_are_set(void **state)
{
	static const struct proc_limit limits[] = {
		{ RLIMIT_FSIZE, 4096 },
		{ RLIMIT_NOFILE, 64 },
	};
	const struct proc_spec spec = { .limits = limits,
		.limit_count = 2,
		.cwd = *state,
		.new_session = true,
		.low_priority = true,
		.die_with_us = true };
	struct buf out = BUF(1000);
	char want[300];

	(void)run(&spec,
	    "pwd; ulimit -Hn; ulimit -f; "
	    "set -- $(cut -d' ' -f1,5,6 /proc/$$/stat); "
	    "[ $1 = $2 ] && [ $1 = $3 ] && echo session; nice",
	    &out);
	(void)snprintf(want, sizeof(want), "%s\n64\n8\nsession\n",
	    (char *)*state);
	assert_true(strncmp(out.data, want, strlen(want)) == 0);
	assert_true(strcmp(out.data + strlen(want), "5\n") == 0 || nice(0) > 5);
	buf_clear(&out);
}

static void
root_can_become_another_user_for_good(void **state)
{
	const struct proc_spec spec = { .uid = 65534,
		.gid = 65534,
		.die_with_us = true };
	struct buf out = BUF(1000);

	(void)state;
	if (getuid() != 0)
		skip();
	(void)run(&spec,
	    "grep -E '^(Uid|Gid|Groups):' /proc/$$/status | tr -s '\\t ' ' '",
	    &out);
	assert_string_equal(out.data,
	    "Uid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\n"
	    "Groups: \n");
	buf_clear(&out);
}

/* Starts a program that waits, and then dies without a word to it. */
static int
start_and_die(void *ctx)
{
	static const char *const argv[] = { "/bin/sleep", "60", NULL };
	const struct proc_spec spec = { .argv = argv, .die_with_us = true };
	struct proc p = { 0 };
	struct err e = { 0 };
	int *out = ctx;

	if (proc_spawn(&p, &spec, &e) == -1 ||
	    write(*out, &p.pid, sizeof(p.pid)) != (ssize_t)sizeof(p.pid))
		return 1;
	(void)kill(getpid(), SIGKILL);
	return 0;
}

static void
a_helper_dies_with_its_parent(void **state)
{
	struct proc parent = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };
	int64_t until = clock_mono_ms() + LIMIT_MS;
	int ends[2];
	pid_t pid = 0;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(proc_fork(&parent, start_and_die, &ends[1], &e), 0);
	assert_int_equal(read(ends[0], &pid, sizeof(pid)),
	    (ssize_t)sizeof(pid));
	assert_int_equal(proc_wait(&parent, LIMIT_MS, &end, &e), 1);
	assert_int_equal(end.signal, SIGKILL);
	while (proc_start_time(pid) != 0 && kill(pid, 0) == 0 &&
	    clock_mono_ms() < until) {
		char path[64];
		struct buf stat = BUF(1000);

		/* In a container nobody may reap it: a zombie is dead too. */
		(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
		if (file_read(AT_FDCWD, path, &stat, &e) == 0 &&
		    strstr(stat.data, ") Z") != NULL)
			until = 0;
		buf_clear(&stat);
		(void)usleep(1000);
	}
	assert_true(until == 0 || clock_mono_ms() < until);
	proc_forget(&parent);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static int
sleep_long(void *ctx)
{
	if (ctx != NULL)
		(void)signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < 60; i++)
		(void)sleep(1);
	return 0;
}

static void
waiting_ends_at_the_limit(void **state)
{
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };
	int64_t began;

	(void)state;
	assert_int_equal(proc_fork(&p, sleep_long, NULL, &e), 0);
	assert_int_equal(proc_ended(&p, &end, &e), 0);
	began = clock_mono_ms();
	assert_int_equal(proc_wait(&p, 100, &end, &e), 0);
	assert_true(clock_mono_ms() - began >= 99);
	proc_stop(&p, 60000);
	/* It took its TERM, and is gone: nobody to signal, none to wait for. */
	assert_int_equal(proc_signal(&p, SIGTERM, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(proc_ended(&p, &end, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	proc_forget(&p);
	proc_forget(&p);
}

static void
who_does_not_listen_is_killed(void **state)
{
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };
	int deaf = 1;

	(void)state;
	assert_int_equal(proc_fork(&p, sleep_long, &deaf, &e), 0);
	(void)usleep(50000); /* until it is deaf */
	proc_stop(&p, 200);
	assert_int_equal(proc_ended(&p, &end, &e), -1);
	proc_forget(&p);
}

static int
answer(void *ctx)
{
	return *(int *)ctx;
}

static void
a_forked_function_ends_with_its_result(void **state)
{
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };
	int result = 42;

	(void)state;
	assert_int_equal(proc_fork(&p, answer, &result, &e), 0);
	assert_int_equal(fcntl(p.pidfd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	assert_int_equal(end.code, 42);
	proc_forget(&p);
	memset(&p, 0, sizeof(p));
	proc_forget(&p);
}

#define IN_SCRATCH(test) \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

static int
tell(void *ctx)
{
	return write(*(int *)ctx, "x", 1) == 1 ? 0 : 1;
}

/* No descriptor is left for the pidfd; SIGCHLD is ignored, as in the spawner.
 */
static void
a_child_that_cannot_be_held_never_runs(void **state)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	struct rlimit files, few;
	struct proc p = { 0 };
	struct err e = { 0 };
	int ends[2], first, second;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	first = dup(ends[0]);
	second = dup(ends[0]);
	(void)close(first);
	(void)close(second);
	few = (struct rlimit){ (rlim_t)second + 1, files.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(proc_fork(&p, tell, &ends[1], &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(p.pid, 0);
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
	assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_a_child_ended_is_told),
		cmocka_unit_test(what_cannot_start_is_an_error_at_once),
		cmocka_unit_test(a_child_has_only_what_it_was_given),
		cmocka_unit_test(masks_and_ignored_signals_are_not_inherited),
		IN_SCRATCH(descriptors_may_change_places),
		IN_SCRATCH(limits_session_folder_and_priority_are_set),
		cmocka_unit_test(root_can_become_another_user_for_good),
		cmocka_unit_test(a_helper_dies_with_its_parent),
		cmocka_unit_test(waiting_ends_at_the_limit),
		cmocka_unit_test(who_does_not_listen_is_killed),
		cmocka_unit_test(a_forked_function_ends_with_its_result),
		cmocka_unit_test(a_child_that_cannot_be_held_never_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
