#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/file.h"

static int
open_scratch(void **state)
{
	int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
put(int dirfd, const char *path, const char *text)
{
	struct err e = { 0 };

	if (file_replace(dirfd, path, text, strlen(text), 0600, &e) != 0)
		fail_msg("%s", e.text);
}

static void
a_file_is_read_up_to_the_limit(void **state)
{
	int dir = open_scratch(state);
	struct err e = { 0 };

	put(dir, "f", "0123456789");
	for (size_t max = 0; max <= 12; max++) {
		struct buf b = BUF(max + 1);

		buf_putc(&b, '>');
		if (max >= 10) {
			assert_int_equal(file_read(dir, "f", &b, &e), 0);
			assert_string_equal(b.data, ">0123456789");
		} else {
			assert_int_equal(file_read(dir, "f", &b, &e), -1);
			assert_int_equal(e.kind, ERR_INVALID);
			assert_string_equal(b.data, ">");
		}
		buf_clear(&b);
	}
	(void)close(dir);
}

static void
a_file_without_a_size_is_read_too(void **state)
{
	struct buf all = BUF(1 << 20), few = BUF(5);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", &all, &e), 0);
	assert_non_null(strstr(all.data, "Name:"));
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", &few, &e),
	    -1);
	assert_int_equal(e.kind, ERR_INVALID);
	buf_clear(&all);
	buf_clear(&few);
}

static void
a_sparse_monster_is_refused_unread(void **state)
{
	int dir = open_scratch(state);
	int fd = openat(dir, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct buf b = BUF(1 << 20);
	struct err e = { 0 };

	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	assert_int_equal(file_read_beneath(dir, "huge", &b, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(b.len, 0);
	buf_clear(&b);
	(void)close(fd);
	(void)close(dir);
}

/* Whatever an agent plants in its folder (B7). */
static void
nothing_outside_a_folder_can_be_read(void **state)
{
	static const struct {
		const char *path;
		enum err_kind kind;
	} cases[] = {
		{ "link-out", ERR_INVALID },
		{ "link-in", ERR_INVALID },
		{ "link-dir/f", ERR_INVALID },
		{ "../outside", ERR_INVALID },
		{ "sub/../../outside", ERR_INVALID },
		{ "/etc/passwd", ERR_INVALID },
		{ "self", ERR_INVALID },
		{ "fifo", ERR_INVALID },
		{ "sub", ERR_INVALID },
		{ "socket", ERR_INVALID },
		{ "none", ERR_ABSENT },
		{ "sub/f/x", ERR_ABSENT },
	};
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int top = open_scratch(state);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf b = BUF(1000);
	struct err e = { 0 };
	int dir;

	assert_int_equal(mkdirat(top, "in", 0700), 0);
	assert_int_equal(mkdirat(top, "in/sub", 0700), 0);
	dir = openat(top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(top, "outside", "secret");
	put(dir, "sub/f", "fine");
	assert_int_equal(symlinkat("../outside", dir, "link-out"), 0);
	assert_int_equal(symlinkat("sub/f", dir, "link-in"), 0);
	assert_int_equal(symlinkat("sub", dir, "link-dir"), 0);
	assert_int_equal(symlinkat("/proc/self/fd/0", dir, "self"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/in/socket",
	    (char *)*state);
	assert_int_equal(bind(s, (const struct sockaddr *)&at, sizeof(at)), 0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (file_read_beneath(dir, cases[i].path, &b, &e) != -1)
			fail_msg("%s was read", cases[i].path);
		if (e.kind != cases[i].kind)
			fail_msg("%s: %s", cases[i].path, e.text);
		assert_int_equal(b.len, 0);
	}
	assert_int_equal(file_read_beneath(dir, "sub/f", &b, &e), 0);
	assert_int_equal(file_read_beneath(dir, "sub/../sub/f", &b, &e), 0);
	assert_string_equal(b.data, "finefine");
	buf_clear(&b);
	(void)close(s);
	(void)close(dir);
	(void)close(top);
}

static void
replacing_leaves_only_the_new_file(void **state)
{
	int dir = open_scratch(state);
	struct buf b = BUF(100);
	struct err e = { 0 };
	struct dirent *entry;
	unsigned int names = 0;
	struct stat st;
	mode_t before = umask(0077);
	DIR *list;

	put(dir, "f", "old");
	assert_int_equal(file_replace(dir, "f", "new", 3, 0644, &e), 0);
	(void)umask(before);
	assert_int_equal(file_read(dir, "f", &b, &e), 0);
	assert_string_equal(b.data, "new");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	/* Failures leave nothing behind either. */
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(mkdirat(dir, "folder/x", 0700), 0);
	assert_int_equal(file_replace(dir, "folder", "a", 1, 0600, &e), -1);
	assert_int_equal(file_replace(dir, "none/f", "a", 1, 0600, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(file_replace(dir, "folder/", "a", 1, 0600, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	list = fdopendir(dir);
	while ((entry = readdir(list)) != NULL)
		names++;
	assert_int_equal(names, 4); /* . .. f folder */
	buf_clear(&b);
	(void)closedir(list);
}

static void
a_lock_is_held_once_and_goes_with_its_holder(void **state)
{
	int dir = open_scratch(state);
	struct err e = { 0 };
	int first = file_lock(dir, "lock", &e), second;

	assert_true(first >= 0);
	assert_int_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(file_lock(dir, "lock", &e), -2);
	assert_int_equal(fd_cloexec(first, false, &e), 0);
	assert_int_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, 0);
	(void)close(first);
	second = file_lock(dir, "lock", &e);
	assert_true(second >= 0);
	/* The name now means another file: the old lock locks nothing. */
	assert_int_equal(unlinkat(dir, "lock", 0), 0);
	first = file_lock(dir, "lock", &e);
	assert_true(first >= 0);
	assert_int_equal(symlinkat("lock", dir, "link"), 0);
	assert_int_equal(file_lock(dir, "link", &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	(void)close(first);
	(void)close(second);
	assert_int_equal(fd_cloexec(-1, true, &e), -1);
	(void)close(dir);
}

static void
a_full_pipe_and_a_full_disk_are_worth_a_retry(void **state)
{
	char bytes[200000] = { 0 };
	struct err e = { 0 };
	int ends[2], full;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fd_write_all(ends[1], bytes, 1000, &e), 0);
	assert_int_equal(fd_write_all(ends[1], bytes, sizeof(bytes), &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fd_write_all(full, bytes, 10, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	(void)close(full);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

#define IN_SCRATCH(test) \
	cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_file_is_read_up_to_the_limit),
		cmocka_unit_test(a_file_without_a_size_is_read_too),
		IN_SCRATCH(a_sparse_monster_is_refused_unread),
		IN_SCRATCH(nothing_outside_a_folder_can_be_read),
		IN_SCRATCH(replacing_leaves_only_the_new_file),
		IN_SCRATCH(a_lock_is_held_once_and_goes_with_its_holder),
		cmocka_unit_test(a_full_pipe_and_a_full_disk_are_worth_a_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
