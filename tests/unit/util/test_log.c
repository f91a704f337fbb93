#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "util/file.h"
#include "util/log.h"

/* What log_line wrote with standard error led into a file. */
static void
read_log(const char *folder, struct buf *text)
{
	struct err e = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/log", folder);
	assert_int_equal(file_read(AT_FDCWD, path, text, &e), 0);
}

static void
lines_are_whole_escaped_and_filtered(void **state)
{
	struct buf text = BUF(65536);
	struct err e = { ERR_RETRY, "a\nb" };
	int before = dup(STDERR_FILENO);
	char path[256], longest[6000];

	(void)snprintf(path, sizeof(path), "%s/log", (char *)*state);
	memset(longest, 'y', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(log_to_file(path, &e), 0);
	log_open("test", LOG_INFO);
	log_line(LOG_INFO, "fact path=" LOG_STR, log_str("a\"\n\x1b[31m\xc3"));
	log_line(LOG_DEBUG, "not shown");
	log_err(LOG_ERROR, &e, "fault id=%d", 7);
	log_line(LOG_INFO, "%s", longest);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	(void)close(before);

	read_log(*state, &text);
	assert_non_null(strstr(text.data, " info test["));
	assert_non_null(
	    strstr(text.data, "fact path=\"a\\\"\\x0a\\x1b[31m\\xc3\"\n"));
	assert_null(strstr(text.data, "not shown"));
	assert_non_null(
	    strstr(text.data, "fault id=7 kind=retry text=\"a\\x0ab\"\n"));
	assert_int_equal(text.data[text.len - 1], '\n');
	assert_true(text.len < 4096 + 512);
	buf_clear(&text);
}

/* Nobody reads, and nobody waits; the other side's blocking stays. */
static void
a_full_pipe_stops_nobody(void **state)
{
	int pipe_fd[2], pair[2], before = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    dup2(i == 0 ? pipe_fd[1] : pair[1], STDERR_FILENO),
		    STDERR_FILENO);
		log_open("test", LOG_INFO);
		for (int k = 0; k < 20000; k++)
			log_line(LOG_INFO, "a line that nobody reads");
	}
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(fcntl(pipe_fd[1], F_GETFL) & O_NONBLOCK, 0);
	(void)close(before);
	for (int i = 0; i < 2; i++) {
		(void)close(pipe_fd[i]);
		(void)close(pair[i]);
	}
}

static void
levels_are_read_by_name(void **state)
{
	(void)state;
	assert_int_equal(log_level_of("error"), LOG_ERROR);
	assert_int_equal(log_level_of("debug"), LOG_DEBUG);
	assert_int_equal(log_level_of("INFO"), LOG_LEVEL_N);
	assert_string_equal(log_str(NULL), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    lines_are_whole_escaped_and_filtered, scratch_make,
		    scratch_remove),
		cmocka_unit_test(a_full_pipe_stops_nobody),
		cmocka_unit_test(levels_are_read_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
