#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/file.h"
#include "util/proc.h"

static int
open_scratch(void **state)
{
	int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
put(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static bool
is_there(int dirfd, const char *path)
{
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
parents_are_made_as_needed(void **state)
{
	int top = open_scratch(state);
	char path[256];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s//a/b//c/", (char *)*state);
	assert_int_equal(dir_make(path, 0700, &e), 0);
	assert_int_equal(dir_make(path, 0700, &e), 0);
	assert_true(is_there(top, "a/b/c"));
	put(top, "file");
	(void)snprintf(path, sizeof(path), "%s/file/x", (char *)*state);
	assert_int_equal(dir_make(path, 0700, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(dir_make("", 0700, &e), -1);
	assert_int_equal(dir_make("/", 0700, &e), 0);
	(void)close(top);
}

static void
removal_never_leaves_the_tree(void **state)
{
	int top = open_scratch(state);
	struct err e = { 0 };

	assert_int_equal(mkdirat(top, "keep", 0755), 0);
	put(top, "keep/file");
	assert_int_equal(mkdirat(top, "gone", 0755), 0);
	assert_int_equal(mkdirat(top, "gone/sub", 0755), 0);
	assert_int_equal(symlinkat("../keep", top, "gone/dir-link"), 0);
	assert_int_equal(symlinkat("../../keep/file", top, "gone/sub/l"), 0);
	assert_int_equal(symlinkat("/", top, "gone/sub/root"), 0);
	assert_int_equal(mkfifoat(top, "gone/fifo", 0600), 0);
	assert_int_equal(dir_remove(top, "gone", &e), 0);
	assert_false(is_there(top, "gone"));
	assert_true(is_there(top, "keep/file"));
	/* The path itself may be a link, or a file, or nothing. */
	assert_int_equal(symlinkat("keep", top, "link"), 0);
	assert_int_equal(dir_remove(top, "link", &e), 0);
	assert_true(is_there(top, "keep/file"));
	assert_int_equal(dir_remove(top, "keep/file", &e), 0);
	assert_int_equal(dir_remove(top, "keep/file", &e), 0);
	assert_int_equal(dir_remove(top, "never/was", &e), 0);
	(void)close(top);
}

/* As an ordinary user, whom modes stop. */
static int
make_and_remove_unreadable(void *ctx)
{
	struct err e = { 0 };
	int top;

	if (getuid() == 0 &&
	    (setresgid(65534, 65534, 65534) == -1 ||
		setresuid(65534, 65534, 65534) == -1))
		return 1;
	if ((top = open(ctx, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return 2;
	if (mkdirat(top, "t", 0700) == -1 || mkdirat(top, "t/a", 0700) == -1 ||
	    mkdirat(top, "t/a/b", 0700) == -1 ||
	    mkdirat(top, "t/a/b/c", 0) == -1 ||
	    mkdirat(top, "t/ro", 0700) == -1 ||
	    mkdirat(top, "t/ro/x", 0700) == -1)
		return 3;
	if (fchmodat(top, "t/a/b", 0, 0) == -1 ||
	    fchmodat(top, "t/ro", 0500, 0) == -1 ||
	    fchmodat(top, "t/a", 0100, 0) == -1 ||
	    fchmodat(top, "t", 0, 0) == -1)
		return 4;
	if (dir_remove(top, "t", &e) == -1)
		return 5;
	return is_there(top, "t") ? 6 : 0;
}

static void
modes_do_not_stop_a_removal(void **state)
{
	struct proc_end end = { 0 };
	struct proc child = { 0 };
	struct err e = { 0 };

	assert_int_equal(chmod(*state, 0777), 0);
	assert_int_equal(
	    proc_fork(&child, make_and_remove_unreadable, *state, &e), 0);
	assert_int_equal(proc_wait(&child, 10000, &end, &e), 1);
	assert_int_equal(end.code, 0);
	proc_forget(&child);
}

static void
any_depth_is_removed_with_few_descriptors(void **state)
{
	int top = open_scratch(state), at, down;
	struct err e = { 0 };

	assert_int_equal(mkdirat(top, "deep", 0700), 0);
	at = openat(top, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 1500; i++) {
		/* A name that moved folders would like to have. */
		put(at, i % 2 ? ".deep-0" : ".deep-1");
		assert_int_equal(mkdirat(at, "d", 0700), 0);
		down = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(down >= 0);
		(void)close(at);
		at = down;
	}
	(void)close(at);
	if (dir_remove(top, "deep", &e) != 0)
		fail_msg("%s", e.text);
	assert_false(is_there(top, "deep"));
	(void)close(top);
}

#define IN_SCRATCH(test) \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(parents_are_made_as_needed),
		IN_SCRATCH(removal_never_leaves_the_tree),
		IN_SCRATCH(modes_do_not_stop_a_removal),
		IN_SCRATCH(any_depth_is_removed_with_few_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
