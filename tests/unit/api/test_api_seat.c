/* Seats: no more than there are, and none lost with a killed process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/seat.h"
#include "util/file.h"

static int
make_folder(void **state)
{
	static char folder[] = "/tmp/test-seat.XXXXXX";

	*state = mkdtemp(folder);
	return *state == NULL ? -1 : 0;
}

static int
remove_folder(void **state)
{
	struct err e = { 0 };

	return dir_remove(AT_FDCWD, *state, &e);
}

static void
as_many_as_there_are(void **state)
{
	struct err e = { 0 };
	int a = seat_take(*state, "x", 2, &e);
	int b = seat_take(*state, "x", 2, &e);

	assert_true(a >= 0);
	assert_true(b >= 0);
	assert_int_equal(seat_take(*state, "x", 2, &e), -2);
	/* Another thing has seats of its own. */
	seat_leave(seat_take(*state, "y", 1, &e));
	seat_leave(a);
	a = seat_take(*state, "x", 2, &e);
	assert_true(a >= 0);
	seat_leave(a);
	seat_leave(b);
	seat_leave(-1);
}

static void
a_killed_one_gives_it_back(void **state)
{
	struct err e = { 0 };
	int ready[2];
	char byte;
	pid_t pid;
	int seat;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		seat = seat_take(*state, "z", 1, &e);
		if (write(ready[1], seat >= 0 ? "1" : "0", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, '1');
	assert_int_equal(seat_take(*state, "z", 1, &e), -2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	seat = seat_take(*state, "z", 1, &e);
	assert_true(seat >= 0);
	seat_leave(seat);
	close(ready[0]);
	close(ready[1]);
}

static void
no_folder_is_a_fault(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(seat_take("/nonexistent", "x", 1, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_there_are),
		cmocka_unit_test(a_killed_one_gives_it_back),
		cmocka_unit_test(no_folder_is_a_fault),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
