/* Commands in the local sandbox, with both isolations: how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "util/proc.h"

static void
test_codes_and_streams(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(4096);

	(void)state;
	assert_int_equal(
	    box_run(sb, box_plain, "echo a; echo b >&2", &out).code, 0);
	assert_non_null(strstr(out.data, "a\n"));
	assert_non_null(strstr(out.data, "b\n"));
	assert_int_equal(box_run(sb, box_plain, "exit 3", &out).code, 3);
	assert_int_equal(box_run(sb, box_plain, "kill -9 $$", &out).code, 137);
	assert_int_equal(box_run(sb, box_plain, "cat; echo $?", &out).code, 0);
	assert_string_equal(out.data, "0\n"); /* standard input is nothing */
	buf_clear(&out);
	sandbox_close(sb);
	sandbox_close(NULL);
}

static void
test_files_go_in_and_out(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(4096), big = BUF(2);
	struct err e = { 0 };
	struct sandbox_cmd trusted = box_plain;

	(void)state;
	trusted.trusted = true;
	assert_int_equal(
	    sandbox_put(sb, SANDBOX_HOME "/x", "hello", 5, 0700, &e), 0);
	assert_int_equal(
	    sandbox_put(sb, SANDBOX_HOME "/x", "again", 5, 0700, &e), 0);
	(void)box_run(sb, box_plain, "cat $HOME/x; test -x $HOME/x && echo ok",
	    &out);
	assert_string_equal(out.data, "againok\n");
	(void)box_run(sb, box_plain, "echo y >$HOME/workspace/y", &out);
	buf_reset(&out);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/workspace/y", &out, &e),
	    0);
	assert_string_equal(out.data, "y\n");

	/* What is inside leads nowhere (B7). */
	(void)box_run(sb, box_plain,
	    "cd $HOME; ln -s /etc/passwd l; mkfifo f; ln -s /etc d; mkdir e;"
	    "echo 12345 >n",
	    &out);
	buf_reset(&out);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/l", &out, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/f", &out, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/d/passwd", &out, &e),
	    -1);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/e", &out, &e), -1);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/n", &big, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/none", &out, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(sandbox_get(sb, "/etc/passwd", &out, &e), -1);
	assert_int_equal(
	    sandbox_get(sb, SANDBOX_HOME "/../control/c", &out, &e), -1);
	assert_int_equal(sandbox_put(sb, "/etc/x", "", 0, 0600, &e), -1);
	assert_int_equal(sandbox_put(sb, SANDBOX_HOME "/d/x", "", 0, 0600, &e),
	    -1);
	assert_int_equal(sandbox_put(sb, SANDBOX_HOME "/l", "z", 1, 0600, &e),
	    0);
	assert_int_equal(
	    sandbox_put(sb, SANDBOX_CONTROL "/c", "c", 1, 0600, &e), 0);
	(void)box_run(sb, trusted, "cat \"$1\" 2>/dev/null; cat /control/c",
	    &out);
	if (strcmp(box_isolation, "bwrap") == 0) {
		assert_string_equal(out.data, "c");
		(void)box_run(sb, box_plain, "ls -d /control 2>&1; echo", &out);
		assert_non_null(strstr(out.data, "No such file"));
	}
	buf_clear(&out);
	buf_clear(&big);
	sandbox_close(sb);
}

static void
test_environment(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(8192);
	static const char *const env[] = { "SECRET=s3cret", NULL };
	struct sandbox_cmd cmd = box_plain;

	(void)state;
	assert_int_equal(setenv("OF_THE_HOST", "1", 1), 0);
	cmd.env = env;
	cmd.cwd = SANDBOX_HOME "/workspace";
	(void)box_run(sb, cmd, "env; pwd; ls -l /proc/self/fd | wc -l", &out);
	assert_null(strstr(out.data, "OF_THE_HOST"));
	assert_non_null(strstr(out.data, "SECRET=s3cret\n"));
	assert_non_null(strstr(out.data, "/workspace\n"));
	/* "total", 0, 1, 2 and the one that ls has open. */
	assert_non_null(strstr(out.data, "\n5\n"));
	(void)box_run(sb, box_plain, "echo ${SECRET-gone}", &out);
	assert_string_equal(out.data, "gone\n");
	buf_clear(&out);
	sandbox_close(sb);
}

/*
 * A text with our pid in place of its %ld, so that what is looked for is ours:
 * other runs of this test may be under way. Good until the fourth call after.
 */
static const char *
ours(const char *fmt)
{
	static char ring[4][200];
	static unsigned int turn;
	char *out = ring[turn++ % 4];
	const char *at = strstr(fmt, "%ld");

	assert_non_null(at);
	(void)snprintf(out, sizeof(ring[0]), "%.*s%ld%s", (int)(at - fmt), fmt,
	    (long)getpid(), at + 3);
	return out;
}

/* True if a process with this argument is there. */
static bool
is_running(const char *mark)
{
	const char *const argv[] = { "/usr/bin/pgrep", "-f", mark, NULL };
	const struct proc_spec spec = { .argv = argv };
	struct proc p;
	struct proc_end end = { 0 };
	struct err e = { 0 };

	assert_int_equal(proc_spawn(&p, &spec, &e), 0);
	assert_int_equal(proc_wait(&p, 60000, &end, &e), 1);
	proc_forget(&p);
	return end.code == 0;
}

/* Runs "before SLEEP after; SLEEP". */
static void
expect_ended_by_deadline(const char *before, const char *after)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(4096);
	const struct sandbox_cmd cmd = { .limit_s = 1 };
	struct sandbox_end end;
	const char *mark = ours("sleep 7711.%ld");
	char script[200];

	(void)snprintf(script, sizeof(script), "%s%s%s; %s", before, mark,
	    after, mark);
	end = box_run(sb, cmd, script, &out);
	assert_true(end.cut_off);
	assert_false(end.stopped);
	assert_false(is_running(mark));
	buf_clear(&out);
	sandbox_close(sb);
}

/* Row 57: nothing outlives a deadline. */
static void
test_row57_deadline(void **state)
{
	(void)state;
	expect_ended_by_deadline("", "");
	expect_ended_by_deadline("trap '' TERM INT HUP; (", " &)");
	expect_ended_by_deadline("(setsid setsid ",
	    " >/dev/null 2>&1 </dev/null &)");
}

/* The bomb may end by itself, when its shell cannot fork. */
static void
test_row57_fork_bomb(void **state)
{
	struct sandbox *sb;
	struct buf out = BUF(4096);
	const struct sandbox_cmd cmd = { .limit_s = 2 };
	struct sandbox_end end;

	(void)state;
	box_room = 100;
	sb = box_open();
	box_room = 0;
	end = box_run(sb, cmd,
	    ours("f() { f | f & }; while :; do f; done; # %ld"), &out);
	assert_true(end.cut_off || end.code != 0);
	assert_false(is_running(ours("# %ld")));
	buf_clear(&out);
	sandbox_close(sb);
}

static void
test_row57_nothing_outlives_a_command(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(4096);
	struct sandbox_end end;

	(void)state;
	/* One that holds the pipe, and one that does not. */
	end = box_run(sb, box_plain,
	    ours("S='sleep 7721.%ld'; (setsid $S &);"
		 " (setsid $S >/dev/null 2>&1 &); echo out"),
	    &out);
	assert_int_equal(end.code, 0);
	assert_string_equal(out.data, "out\n");
	assert_false(is_running(ours("sleep 7721.%ld")));
	buf_clear(&out);
	sandbox_close(sb);
}

static bool
stop_now(void *ctx)
{
	(void)ctx;
	return true;
}

static void
test_stop(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(4096);
	struct sandbox_cmd cmd = { .limit_s = 300,
		.grace_ms = 60000,
		.stop = stop_now };
	struct sandbox_end end;

	(void)state;
	end = box_run(sb, cmd, ours("sleep 7731.%ld"), &out);
	assert_true(end.stopped && !end.cut_off);
	assert_true(end.took_ms < 60000); /* it goes before it is killed */
	cmd.grace_ms = 300;
	end =
	    box_run(sb, cmd, "trap '' TERM; while :; do sleep 0.1; done", &out);
	assert_true(end.stopped && !end.cut_off);
	assert_false(is_running(ours("sleep 7731.%ld")));
	buf_clear(&out);
	sandbox_close(sb);
}

static int
refuse(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	(void)ctx;
	(void)from;
	(void)bytes;
	(void)len;
	return err_set(e, ERR_CONFLICT, "enough");
}

static void
test_output_can_end_it(void **state)
{
	const char *const argv[] = { "/bin/sh", "-c",
		ours("yes 7741.%ld; sleep 7741"), NULL };
	const struct sandbox_cmd cmd = { .argv = argv,
		.limit_s = 20,
		.output = refuse };
	struct sandbox *sb = box_open();
	struct sandbox_end end;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_run(sb, &cmd, &end, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_false(is_running(ours("7741.%ld")));
	sandbox_close(sb);
}

struct flood {
	size_t bytes;
};

static int
count(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	(void)from;
	(void)bytes;
	(void)e;
	((struct flood *)ctx)->bytes += len;
	return 0;
}

static void
test_row29_flood(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c",
		"head -c 50000000 /dev/zero; head -c 1000 /dev/zero >&2",
		NULL };
	struct flood flood = { 0 };
	const struct sandbox_cmd cmd = { .argv = argv,
		.limit_s = 30,
		.output = count,
		.ctx = &flood };
	struct sandbox *sb = box_open();
	struct sandbox_end end;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_run(sb, &cmd, &end, &e), 0);
	assert_int_equal(flood.bytes, 50001000);
	sandbox_close(sb);
}

static const struct CMUnitTest both[] = {
	BOX_TEST(test_codes_and_streams),
	BOX_TEST(test_files_go_in_and_out),
	BOX_TEST(test_environment),
	BOX_TEST(test_row57_deadline),
	BOX_TEST(test_row57_fork_bomb),
	BOX_TEST(test_row57_nothing_outlives_a_command),
	BOX_TEST(test_stop),
	BOX_TEST(test_output_can_end_it),
	BOX_TEST(test_row29_flood),
};

int
main(void)
{
	int failed = 0;

	if (box_have_bwrap()) {
		failed +=
		    cmocka_run_group_tests_name("bwrap", both, NULL, NULL);
	}
	box_isolation = "none";
	failed += cmocka_run_group_tests_name("none", both, NULL, NULL);
	return failed;
}
