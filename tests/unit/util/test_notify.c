#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/notify.h"

/* A socket as systemd has it; '@' is the abstract name space. */
static int
listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, path, strlen(path));
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&at,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(path))),
	    0);
	return fd;
}

static void
a_state_arrives_as_one_datagram(void **state)
{
	char path[100], got[100];
	ssize_t n;
	int fd;

	for (int abstract = 0; abstract < 2; abstract++) {
		(void)snprintf(path, sizeof(path), "%s%s/notify",
		    abstract ? "@" : "", (char *)*state);
		fd = listen_at(path);
		assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
		notify_send("READY=1\nSTATUS=fine");
		n = recv(fd, got, sizeof(got), 0);
		assert_int_equal(n, strlen("READY=1\nSTATUS=fine"));
		assert_memory_equal(got, "READY=1\nSTATUS=fine", (size_t)n);
		(void)close(fd);
	}
}

static void
without_systemd_nothing_happens(void **state)
{
	char longest[300];

	(void)state;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	notify_send("READY=1");
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
	notify_send("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "/none/such", 1), 0);
	notify_send("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	notify_send("READY=1");
}

static void
sockets_are_taken_only_if_meant_for_us(void **state)
{
	char self[32];
	int count = 0;

	(void)state;
	(void)snprintf(self, sizeof(self), "%ld", (long)getpid());
	assert_int_equal(unsetenv("LISTEN_FDS"), 0);
	assert_int_equal(setenv("LISTEN_PID", self, 1), 0);
	assert_int_equal(notify_listen_fds(&count), -1);
	assert_int_equal(setenv("LISTEN_FDS", "2", 1), 0);
	assert_int_equal(notify_listen_fds(&count), 3);
	assert_int_equal(count, 2);
	assert_int_equal(setenv("LISTEN_PID", "1", 1), 0);
	assert_int_equal(notify_listen_fds(&count), -1);
	assert_int_equal(setenv("LISTEN_PID", self, 1), 0);
	assert_int_equal(setenv("LISTEN_FDS", "2x", 1), 0);
	assert_int_equal(notify_listen_fds(&count), -1);
	assert_int_equal(setenv("LISTEN_FDS", "100000", 1), 0);
	assert_int_equal(notify_listen_fds(&count), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_state_arrives_as_one_datagram,
		    scratch_make, scratch_remove),
		cmocka_unit_test(without_systemd_nothing_happens),
		cmocka_unit_test(sockets_are_taken_only_if_meant_for_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
