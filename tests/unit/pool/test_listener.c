#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool/listener.h"
#include "util/file.h"

static char folder[64];
static char path[96];

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/tm-listener.XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/api.sock", folder);
	return 0;
}

static int
tear_down(void **state)
{
	struct err e = { 0 };

	(void)state;
	return dir_remove(AT_FDCWD, folder, &e);
}

static int
connects(const char *to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), got;

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", to);
	got = connect(fd, (const struct sockaddr *)&a, sizeof(a));
	(void)close(fd);
	return got == 0;
}

static void
F16_the_socket_is_there_and_goes_with_us(void **state)
{
	struct listener l;
	struct err e = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(listener_open(&l, path, "", &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(fcntl(l.fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(l.fd, F_GETFL) & O_NONBLOCK);
	assert_true(connects(path));
	listener_close(&l);
	assert_int_equal(stat(path, &st), -1);
	listener_close(&l);
}

static void
F16_a_second_start_does_not_steal_it(void **state)
{
	struct listener l, second;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(listener_open(&l, path, "", &e), 0);
	assert_int_equal(listener_open(&second, path, "", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.text, path));
	assert_true(connects(path));
	listener_close(&l);
}

static void
F16_a_stale_socket_is_replaced(void **state)
{
	struct listener l = LISTENER_CLOSED, next;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(listener_open(&l, path, "", &e), 0);

	/* As after kill -9: closed by the kernel, the name left behind. */
	(void)close(l.fd);
	(void)close(l.lock_fd);
	assert_false(connects(path));
	assert_int_equal(listener_open(&next, path, "", &e), 0);
	assert_true(connects(path));
	listener_close(&next);
}

static void
somebody_elses_socket_is_not_removed(void **state)
{
	struct listener l;
	struct err e = { 0 };
	struct stat st;
	char other[112];

	(void)state;
	(void)snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(listener_open(&l, path, "", &e), 0);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, "x", 1, 0600, &e), 0);
	listener_close(&l);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(other), 0);
}

static void
bad_places_are_named(void **state)
{
	char longest[200];
	struct listener l;
	struct err e = { 0 };

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(listener_open(&l, longest, "", &e), -1);
	assert_non_null(strstr(e.text, "API_SOCKET"));
	assert_int_equal(listener_open(&l, path, "no-such-group-here", &e), -1);
	assert_non_null(strstr(e.text, "API_SOCKET_GROUP"));
	assert_int_equal(listener_open(&l, "/nonexistent/a.sock", "", &e), -1);

	/* And nothing of them is left. */
	assert_int_equal(listener_open(&l, path, "", &e), 0);
	listener_close(&l);
}

static void
only_listening_sockets_are_inherited(void **state)
{
	struct listener l, second;
	struct err e = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(listener_inherit(&l, pair[0], &e), -1);
	assert_int_equal(listener_inherit(&l, 999, &e), -1);
	assert_int_equal(listener_open(&l, path, "", &e), 0);
	assert_int_equal(listener_inherit(&second, dup(l.fd), &e), 0);
	listener_close(&second);
	assert_true(connects(path));
	listener_close(&l);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(F16_the_socket_is_there_and_goes_with_us),
		cmocka_unit_test(F16_a_second_start_does_not_steal_it),
		cmocka_unit_test(F16_a_stale_socket_is_replaced),
		cmocka_unit_test(somebody_elses_socket_is_not_removed),
		cmocka_unit_test(bad_places_are_named),
		cmocka_unit_test(only_listening_sockets_are_inherited),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
