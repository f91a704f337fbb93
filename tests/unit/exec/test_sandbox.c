/* The local sandbox by itself, with both isolations. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "exec/sandbox.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/file.h"
#include "util/proc.h"

static char base[64];
static const char *isolation;

static int
setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/tm-box-XXXXXX");
	if (encode_init(&e) == -1 || mkdtemp(base) == NULL)
		return -1;
	return chmod(base, 0711);
}

static int
teardown(void **state)
{
	struct err e = { 0 };

	(void)state;
	return dir_remove(AT_FDCWD, base, &e);
}

static struct sandbox_spec
spec_of(const char *dir)
{
	return (struct sandbox_spec){ .kind = "local",
		.name = "12.3",
		.dir = dir,
		.isolation = isolation,
		.user = "nobody",
		.limits = { .memory_mb = 256,
		    .processes = 100,
		    .open_files = 64,
		    .file_mb = 1,
		    .cpu_s = 5 } };
}

static struct sandbox *
open_box(void)
{
	const struct sandbox_spec spec = spec_of(base);
	struct sandbox *sb;
	struct err e = { 0 };

	if (sandbox_open(&sb, &spec, &e) == -1)
		fail_msg("%s", e.text);
	return sb;
}

static int
collect(void *ctx, enum sandbox_stream from, const char *bytes, size_t len,
    struct err *e)
{
	struct buf *out = ctx;

	(void)from;
	(void)e;
	if (out->len + len <= out->max)
		buf_add(out, bytes, len);
	return 0;
}

/* Runs a script; what it printed is in out. */
static struct sandbox_end
run(struct sandbox *sb, struct sandbox_cmd cmd, const char *script,
    struct buf *out)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct sandbox_end end;
	struct err e = { 0 };

	buf_reset(out);
	cmd.argv = argv;
	cmd.output = collect;
	cmd.ctx = out;
	if (sandbox_run(sb, &cmd, &end, &e) == -1)
		fail_msg("%s", e.text);
	buf_add(out, "", 0);
	return end;
}

static const struct sandbox_cmd plain = { .limit_s = 20 };

static void
test_codes_and_streams(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096);

	(void)state;
	assert_int_equal(run(sb, plain, "echo a; echo b >&2", &out).code, 0);
	assert_non_null(strstr(out.data, "a\n"));
	assert_non_null(strstr(out.data, "b\n"));
	assert_int_equal(run(sb, plain, "exit 3", &out).code, 3);
	assert_int_equal(run(sb, plain, "kill -9 $$", &out).code, 137);
	assert_int_equal(run(sb, plain, "cat; echo $?", &out).code, 0);
	assert_string_equal(out.data, "0\n"); /* standard input is nothing */
	buf_clear(&out);
	sandbox_close(sb);
	sandbox_close(NULL);
}

static void
test_files_go_in_and_out(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096), big = BUF(2);
	struct err e = { 0 };
	struct sandbox_cmd trusted = plain;

	(void)state;
	trusted.trusted = true;
	assert_int_equal(
	    sandbox_put(sb, SANDBOX_HOME "/x", "hello", 5, 0700, &e), 0);
	assert_int_equal(
	    sandbox_put(sb, SANDBOX_HOME "/x", "again", 5, 0700, &e), 0);
	(void)run(sb, plain, "cat $HOME/x; test -x $HOME/x && echo ok", &out);
	assert_string_equal(out.data, "againok\n");
	(void)run(sb, plain, "echo y >$HOME/workspace/y", &out);
	buf_reset(&out);
	assert_int_equal(sandbox_get(sb, SANDBOX_HOME "/workspace/y", &out, &e),
	    0);
	assert_string_equal(out.data, "y\n");

	/* What is inside leads nowhere (B7). */
	(void)run(sb, plain,
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
	(void)run(sb, trusted, "cat \"$1\" 2>/dev/null; cat /control/c", &out);
	if (strcmp(isolation, "bwrap") == 0) {
		assert_string_equal(out.data, "c");
		(void)run(sb, plain, "ls -d /control 2>&1; echo", &out);
		assert_non_null(strstr(out.data, "No such file"));
	}
	buf_clear(&out);
	buf_clear(&big);
	sandbox_close(sb);
}

static void
test_environment(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(8192);
	static const char *const env[] = { "SECRET=s3cret", NULL };
	struct sandbox_cmd cmd = plain;

	(void)state;
	assert_int_equal(setenv("OF_THE_HOST", "1", 1), 0);
	cmd.env = env;
	cmd.cwd = SANDBOX_HOME "/workspace";
	(void)run(sb, cmd, "env; pwd; ls -l /proc/self/fd | wc -l", &out);
	assert_null(strstr(out.data, "OF_THE_HOST"));
	assert_non_null(strstr(out.data, "SECRET=s3cret\n"));
	assert_non_null(strstr(out.data, "/workspace\n"));
	/* "total", 0, 1, 2 and the one that ls has open. */
	assert_non_null(strstr(out.data, "\n5\n"));
	(void)run(sb, plain, "echo ${SECRET-gone}", &out);
	assert_string_equal(out.data, "gone\n");
	buf_clear(&out);
	sandbox_close(sb);
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
	assert_int_equal(proc_wait(&p, 10000, &end, &e), 1);
	proc_forget(&p);
	return end.code == 0;
}

static void
expect_ended_by_deadline(const char *script, const char *mark)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096);
	const struct sandbox_cmd cmd = { .limit_s = 1 };
	int64_t began = clock_mono_ms();
	struct sandbox_end end = run(sb, cmd, script, &out);

	assert_true(end.cut_off);
	assert_false(end.stopped);
	assert_true(clock_mono_ms() - began < 8000);
	assert_false(is_running(mark));
	buf_clear(&out);
	sandbox_close(sb);
}

/* Row 57: nothing outlives a deadline. */
static void
test_row57_deadline(void **state)
{
	(void)state;
	expect_ended_by_deadline("sleep 7711", "sleep 7711");
	expect_ended_by_deadline(
	    "trap '' TERM INT HUP; (sleep 7712 & ) ; sleep 7712", "sleep 7712");
	expect_ended_by_deadline(
	    "(setsid setsid sleep 7713 >/dev/null 2>&1 &); sleep 7713",
	    "sleep 7713");
}

/* The bomb may end by itself, when its shell cannot fork. */
static void
test_row57_fork_bomb(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096);
	const struct sandbox_cmd cmd = { .limit_s = 2 };
	struct sandbox_end end;

	(void)state;
	end =
	    run(sb, cmd, "f() { f | f & }; while :; do f; done; # 7714", &out);
	assert_true(end.cut_off || end.code != 0);
	assert_true(end.took_ms < 10000);
	assert_false(is_running("# 7714"));
	buf_clear(&out);
	sandbox_close(sb);
}

static void
test_row57_nothing_outlives_a_command(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096);
	struct sandbox_end end;

	(void)state;
	/* One that holds the pipe, and one that does not. */
	end = run(sb, plain,
	    "(setsid sleep 7721 &); (setsid sleep 7722 >/dev/null 2>&1 &);"
	    "echo out",
	    &out);
	assert_int_equal(end.code, 0);
	assert_true(end.took_ms < 5000);
	assert_string_equal(out.data, "out\n");
	assert_false(is_running("sleep 772"));
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
	struct sandbox *sb = open_box();
	struct buf out = BUF(4096);
	struct sandbox_cmd cmd = { .limit_s = 20,
		.grace_ms = 3000,
		.stop = stop_now };
	struct sandbox_end end;

	(void)state;
	end = run(sb, cmd, "sleep 7731", &out);
	assert_true(end.stopped && !end.cut_off);
	assert_true(end.took_ms < 3000);
	cmd.grace_ms = 300;
	end = run(sb, cmd, "trap '' TERM; while :; do sleep 0.1; done", &out);
	assert_true(end.stopped && !end.cut_off);
	assert_true(end.took_ms < 3000);
	assert_false(is_running("sleep 7731"));
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
	static const char *const argv[] = { "/bin/sh", "-c",
		"yes 7741; sleep 7741", NULL };
	const struct sandbox_cmd cmd = { .argv = argv,
		.limit_s = 20,
		.output = refuse };
	struct sandbox *sb = open_box();
	struct sandbox_end end;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_run(sb, &cmd, &end, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_false(is_running("7741"));
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
	struct sandbox *sb = open_box();
	struct sandbox_end end;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_run(sb, &cmd, &end, &e), 0);
	assert_int_equal(flood.bytes, 50001000);
	sandbox_close(sb);
}

static void
test_limits(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(8192);

	(void)state;
	(void)run(sb, plain, "ulimit -n; ulimit -c; ulimit -t; ulimit -d",
	    &out);
	assert_string_equal(out.data, "64\n0\n5\n262144\n");
	assert_int_not_equal(
	    run(sb, plain, "head -c 3000000 /dev/zero >$HOME/z", &out).code, 0);
	(void)run(sb, plain, "stat -c %s $HOME/z", &out);
	assert_string_equal(out.data, "1048576\n");
	/* A gigabyte of memory is over the limit. */
	assert_int_not_equal(
	    run(sb, plain, "head -c 900000000 /dev/zero | tail -c 800000000",
		&out)
		.code,
	    0);
	buf_clear(&out);
	sandbox_close(sb);
}

static void
test_workspace_is_private_and_goes(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(1024);
	char path[200];
	struct stat st;

	(void)state;
	assert_int_equal(strncmp(sandbox_id(sb), "12.3.", 5), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", base, sandbox_id(sb));
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	(void)run(sb, plain,
	    "cd $HOME; mkdir -p a/b; echo x >a/b/c; chmod 000 a/b a; "
	    "mkfifo f; ln -s /etc e",
	    &out);
	sandbox_close(sb);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	buf_clear(&out);
}

static void
test_refusals(void **state)
{
	struct sandbox_spec spec = spec_of(base);
	struct sandbox *sb;
	struct err e = { 0 };
	char closed[100];

	(void)state;
	spec.kind = "none-such";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_null(sb);
	spec = spec_of(base);
	spec.isolation = "hope";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	spec = spec_of(base);
	spec.name = "../x";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	if (geteuid() != 0)
		return;
	spec = spec_of(base);
	spec.user = "no-such-user-here";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	spec.user = "root";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	/* A way that the sandbox's user may not go is named. */
	(void)snprintf(closed, sizeof(closed), "%s/closed", base);
	assert_int_equal(mkdir(closed, 0700), 0);
	(void)snprintf(closed, sizeof(closed), "%s/closed/box", base);
	spec = spec_of(closed);
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.text, "/closed;"));
}

static void
test_probe(void **state)
{
	const struct sandbox_spec spec = spec_of(base);
	char how[200];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_probe(&spec, how, sizeof(how), &e), 0);
	assert_non_null(strstr(how,
	    strcmp(isolation, "bwrap") == 0 ? "bubblewrap" : "NO ISOLATION"));
}

/* What only bubblewrap can promise. */
static void
test_bwrap_hides_the_host(void **state)
{
	struct sandbox *sb = open_box();
	struct buf out = BUF(16384);
	struct err e = { 0 };
	char script[1000];

	(void)state;
	(void)snprintf(script, sizeof(script), "%s/secret", base);
	assert_int_equal(
	    file_replace(AT_FDCWD, script, "HOSTSECRET", 10, 0644, &e), 0);
	(void)snprintf(script, sizeof(script),
	    "cat %s/secret; ls /root /var /home /run /srv; tr -d '\\0' </proc/1/environ;"
	    "ls /proc | grep -c '^[0-9]'; id -u; hostname;"
	    "ip link 2>/dev/null; cat /proc/net/dev | wc -l; touch /x /etc/x "
	    "/usr/x /dev/x && echo WROTE; unshare -Ur true && echo NESTED;"
	    "mount -t tmpfs t /tmp && echo MOUNTED; true",
	    base);
	assert_int_equal(run(sb, plain, script, &out).code, 0);
	assert_null(strstr(out.data, "HOSTSECRET"));
	assert_null(strstr(out.data, "WROTE"));
	assert_null(strstr(out.data, "NESTED"));
	assert_null(strstr(out.data, "MOUNTED"));
	assert_non_null(strstr(out.data, "1000\n"));
	assert_non_null(strstr(out.data, "sandbox\n"));
	(void)run(sb, plain, "cat /proc/self/status", &out);
	assert_non_null(strstr(out.data, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(out.data, "CapBnd:\t0000000000000000"));
	assert_non_null(strstr(out.data, "NoNewPrivs:\t1"));
	assert_non_null(strstr(out.data, "Seccomp:\t2"));
	buf_clear(&out);
	sandbox_close(sb);
}

/* The database's socket: not to be seen, and not to be connected to. */
static void
test_bwrap_sockets(void **state)
{
	struct sandbox *sb = open_box();
	struct sockaddr_un named = { .sun_family = AF_UNIX };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX };
	struct buf out = BUF(4096);
	char script[1000];
	int a = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(named.sun_path, sizeof(named.sun_path), "%s/sock", base);
	(void)snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1,
	    "%s", base);
	assert_int_equal(bind(a, (struct sockaddr *)&named, sizeof(named)), 0);
	assert_int_equal(
	    bind(b, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(a, 1), 0);
	assert_int_equal(listen(b, 1), 0);
	(void)snprintf(script, sizeof(script),
	    "ls %s/sock 2>/dev/null; grep -c %s /proc/net/unix; true", base,
	    base);
	assert_int_equal(run(sb, plain, script, &out).code, 0);
	assert_string_equal(out.data, "0\n");
	(void)close(a);
	(void)close(b);
	buf_clear(&out);
	sandbox_close(sb);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

static const struct CMUnitTest both[] = {
	TEST(test_codes_and_streams),
	TEST(test_files_go_in_and_out),
	TEST(test_environment),
	TEST(test_row57_deadline),
	TEST(test_row57_fork_bomb),
	TEST(test_row57_nothing_outlives_a_command),
	TEST(test_stop),
	TEST(test_output_can_end_it),
	TEST(test_row29_flood),
	TEST(test_limits),
	TEST(test_workspace_is_private_and_goes),
	TEST(test_refusals),
	TEST(test_probe),
};

static const struct CMUnitTest bwrap_only[] = {
	TEST(test_bwrap_hides_the_host),
	TEST(test_bwrap_sockets),
};

/* Not every machine has user namespaces: then say so, and test the rest. */
static bool
have_bwrap(void)
{
	struct sandbox_spec spec;
	char how[200];
	struct err e = { 0 };
	bool have;

	isolation = "bwrap";
	if (setup(NULL) == -1)
		return false;
	spec = spec_of(base);
	have = sandbox_probe(&spec, how, sizeof(how), &e) == 0;
	if (!have)
		print_message("bubblewrap is not tested here: %s\n", e.text);
	(void)teardown(NULL);
	return have;
}

int
main(void)
{
	int failed = 0;

	if (have_bwrap()) {
		failed +=
		    cmocka_run_group_tests_name("bwrap", both, NULL, NULL);
		failed += cmocka_run_group_tests_name("only bwrap", bwrap_only,
		    NULL, NULL);
	}
	isolation = "none";
	failed += cmocka_run_group_tests_name("none", both, NULL, NULL);
	return failed;
}
