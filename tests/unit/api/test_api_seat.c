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

static int
take(void **state, const char *what, long count, struct err *e)
{
	const struct seats s = { .state_dir = *state,
		.what = what,
		.count = count };

	return seat_take(&s, e);
}

static void
as_many_as_there_are(void **state)
{
	struct err e = { 0 };
	int a = take(state, "x", 2, &e);
	int b = take(state, "x", 2, &e);

	assert_true(a >= 0);
	assert_true(b >= 0);
	assert_int_equal(take(state, "x", 2, &e), -2);
	/* Another thing has seats of its own. */
	seat_leave(take(state, "y", 1, &e));
	seat_leave(a);
	a = take(state, "x", 2, &e);
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
		seat = take(state, "z", 1, &e);
		if (write(ready[1], seat >= 0 ? "1" : "0", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, '1');
	assert_int_equal(take(state, "z", 1, &e), -2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	seat = take(state, "z", 1, &e);
	assert_true(seat >= 0);
	seat_leave(seat);
	close(ready[0]);
	close(ready[1]);
}

/* One sits for a while, one may stand, and the third is turned away. */
static void
one_may_stand_and_wait(void **state)
{
	const struct seats s = { *state, "w", 1, 1, 5000 };
	const struct seats hasty = { *state, "w", 1, 1, 20 };
	struct err e = { 0 };
	int sitting = seat_take(&s, &e);
	char path[256];
	int status;
	int place;
	pid_t pid;

	assert_true(sitting >= 0);
	assert_int_equal(seat_take(&hasty, &e), -2);
	pid = fork();
	if (pid == 0) {
		close(sitting);
		/* The parent's own look at the place may be in the way. */
		while ((place = seat_take(&s, &e)) == -2)
			usleep(1000);
		_exit(place >= 0 ? 0 : 1);
	}
	/* Until the child stands in the only place. */
	snprintf(path, sizeof(path), "%s/w.wait-0.lock", (char *)*state);
	while ((place = file_lock(AT_FDCWD, path, &e)) >= 0) {
		seat_leave(place);
		usleep(2000);
	}
	assert_int_equal(place, -2);
	assert_int_equal(seat_take(&s, &e), -2);
	seat_leave(sitting);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
each_user_has_seats_of_his_own(void **state)
{
	const struct seats s = { .state_dir = *state,
		.what = "own",
		.count = 2 };
	struct err e = { 0 };
	int a = seat_take_own(&s, "ada", &e);
	int b = seat_take_own(&s, "ada", &e);
	int other;

	assert_true(a >= 0);
	assert_true(b >= 0);
	assert_int_equal(seat_take_own(&s, "ada", &e), -2);
	other = seat_take_own(&s, "eve", &e);
	assert_true(other >= 0);
	seat_leave(a);
	a = seat_take_own(&s, "ada", &e);
	assert_true(a >= 0);
	assert_int_equal(seat_take_own(&s, "ada", &e), -2);
	seat_leave(a);
	seat_leave(b);
	seat_leave(other);
}

static void
no_folder_is_a_fault(void **state)
{
	struct err e = { 0 };

	const struct seats s = { .state_dir = "/nonexistent",
		.what = "x",
		.count = 1 };

	(void)state;
	assert_int_equal(seat_take(&s, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(seat_take_own(&s, "ada", &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_there_are),
		cmocka_unit_test(a_killed_one_gives_it_back),
		cmocka_unit_test(one_may_stand_and_wait),
		cmocka_unit_test(each_user_has_seats_of_his_own),
		cmocka_unit_test(no_folder_is_a_fault),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
