/* What a command in the local sandbox can reach, and what it may use. */
#include <fcntl.h>
#include <setjmp.h>
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

#include "box.h"
#include "util/file.h"

static void
test_limits(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(8192);

	(void)state;
	(void)box_run(sb, box_plain,
	    "ulimit -n; ulimit -c; ulimit -t; ulimit -d", &out);
	assert_string_equal(out.data, "64\n0\n5\n262144\n");
	assert_int_not_equal(
	    box_run(sb, box_plain, "head -c 3000000 /dev/zero >$HOME/z", &out)
		.code,
	    0);
	(void)box_run(sb, box_plain, "stat -c %s $HOME/z", &out);
	assert_string_equal(out.data, "1048576\n");
	/* A gigabyte of memory is over the limit. */
	assert_int_not_equal(
	    box_run(sb, box_plain,
		"head -c 900000000 /dev/zero | tail -c 800000000", &out)
		.code,
	    0);
	buf_clear(&out);
	sandbox_close(sb);
}

static void
test_workspace_is_private_and_goes(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(1024);
	char path[200];
	struct stat st;

	(void)state;
	assert_int_equal(strncmp(sandbox_id(sb), "12.3.", 5), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", box_base, sandbox_id(sb));
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	(void)box_run(sb, box_plain,
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
	struct sandbox_spec spec = box_spec(box_base);
	struct sandbox *sb;
	struct err e = { 0 };
	char closed[100];

	(void)state;
	spec.kind = "none-such";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_null(sb);
	spec = box_spec(box_base);
	spec.isolation = "hope";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	spec = box_spec(box_base);
	spec.name = "../x";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	if (geteuid() != 0)
		return;
	spec = box_spec(box_base);
	spec.user = "no-such-user-here";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	spec.user = "root";
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	/* A way that the sandbox's user may not go is named. */
	(void)snprintf(closed, sizeof(closed), "%s/closed", box_base);
	assert_int_equal(mkdir(closed, 0700), 0);
	(void)snprintf(closed, sizeof(closed), "%s/closed/box", box_base);
	spec = box_spec(closed);
	assert_int_equal(sandbox_open(&sb, &spec, &e), -1);
	assert_int_equal(e.kind, ERR_DENIED);
	assert_non_null(strstr(e.text, "/closed;"));
}

static void
test_probe(void **state)
{
	const struct sandbox_spec spec = box_spec(box_base);
	char how[200];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sandbox_probe(&spec, how, sizeof(how), &e), 0);
	assert_non_null(strstr(how,
	    strcmp(box_isolation, "bwrap") == 0 ? "bubblewrap"
						: "NO ISOLATION"));
}

/* What only bubblewrap can promise. */
static void
test_bwrap_hides_the_host(void **state)
{
	struct sandbox *sb = box_open();
	struct buf out = BUF(16384);
	struct err e = { 0 };
	char script[1000];

	(void)state;
	(void)snprintf(script, sizeof(script), "%s/secret", box_base);
	assert_int_equal(
	    file_replace(AT_FDCWD, script, "HOSTSECRET", 10, 0644, &e), 0);
	(void)snprintf(script, sizeof(script),
	    "cat %s/secret; ls /root /var /home /run /srv; tr -d '\\0' </proc/1/environ;"
	    "ls /proc | grep -c '^[0-9]'; id -u; hostname;"
	    "ip link 2>/dev/null; cat /proc/net/dev | wc -l; touch /x /etc/x "
	    "/usr/x /dev/x && echo WROTE; unshare -Ur true && echo NESTED;"
	    "mount -t tmpfs t /tmp && echo MOUNTED; true",
	    box_base);
	assert_int_equal(box_run(sb, box_plain, script, &out).code, 0);
	assert_null(strstr(out.data, "HOSTSECRET"));
	assert_null(strstr(out.data, "WROTE"));
	assert_null(strstr(out.data, "NESTED"));
	assert_null(strstr(out.data, "MOUNTED"));
	assert_non_null(strstr(out.data, "1000\n"));
	assert_non_null(strstr(out.data, "sandbox\n"));
	(void)box_run(sb, box_plain, "cat /proc/self/status", &out);
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
	struct sandbox *sb = box_open();
	struct sockaddr_un named = { .sun_family = AF_UNIX };
	struct sockaddr_un abstract = { .sun_family = AF_UNIX };
	struct buf out = BUF(4096);
	char script[1000];
	int a = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(named.sun_path, sizeof(named.sun_path), "%s/sock",
	    box_base);
	(void)snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1,
	    "%s", box_base);
	assert_int_equal(bind(a, (struct sockaddr *)&named, sizeof(named)), 0);
	assert_int_equal(
	    bind(b, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(a, 1), 0);
	assert_int_equal(listen(b, 1), 0);
	(void)snprintf(script, sizeof(script),
	    "ls %s/sock 2>/dev/null; grep -c %s /proc/net/unix; true", box_base,
	    box_base);
	assert_int_equal(box_run(sb, box_plain, script, &out).code, 0);
	assert_string_equal(out.data, "0\n");
	(void)close(a);
	(void)close(b);
	buf_clear(&out);
	sandbox_close(sb);
}

static const struct CMUnitTest both[] = {
	BOX_TEST(test_limits),
	BOX_TEST(test_workspace_is_private_and_goes),
	BOX_TEST(test_refusals),
	BOX_TEST(test_probe),
};

static const struct CMUnitTest bwrap_only[] = {
	BOX_TEST(test_bwrap_hides_the_host),
	BOX_TEST(test_bwrap_sockets),
};

int
main(void)
{
	int failed = 0;

	if (box_have_bwrap()) {
		failed +=
		    cmocka_run_group_tests_name("bwrap", both, NULL, NULL);
		failed += cmocka_run_group_tests_name("only bwrap", bwrap_only,
		    NULL, NULL);
	}
	box_isolation = "none";
	failed += cmocka_run_group_tests_name("none", both, NULL, NULL);
	return failed;
}
