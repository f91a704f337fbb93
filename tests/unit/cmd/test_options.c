/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/options.h"

struct args {
	const char *name;
	long count;
	bool follow;
	int fd;
};

#define AT(field) offsetof(struct args, field)

static const struct option_row rows[] = {
	{ "name", OPTION_TEXT, AT(name), 'n', 0, 0 },
	{ "count", OPTION_NUMBER, AT(count), 0, 1, 10 },
	{ "follow", OPTION_FLAG, AT(follow), 'f', 0, 0 },
	{ "fd", OPTION_FD, AT(fd), 0, 0, 0 },
};

static const struct command_line line = COMMAND_LINE("usage: x\n", rows);

static const struct {
	struct action is;
	int value;
} actions[] = {
	{ { "add", 1, 2 }, 7 },
	{ { "list", 0, 0 }, 8 },
};

static struct args got;
static int status;
static int argc;
static char *argv[16];
static char text[256];

/* A command line, its words between single blanks. */
static bool
reads(const char *words)
{
	char *rest = text;

	got = (struct args){ .count = 5 };
	status = -1;
	argc = 0;
	optind = 0; /* begins anew, GNU's way */
	(void)snprintf(text, sizeof(text), "x %s", words);
	while ((argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	return options_read(&line, &got, argc, argv, &status);
}

static void
each_kind_lands_in_its_field(void **state)
{
	(void)state;
	assert_true(reads("--name a --count=10 --follow word"));
	assert_string_equal(got.name, "a");
	assert_int_equal(got.count, 10);
	assert_true(got.follow);
	assert_string_equal(argv[optind], "word");
	assert_true(reads("--fd 0"));
	assert_int_equal(got.fd, 0);
	assert_true(reads("-f -n b"));
	assert_string_equal(got.name, "b");
	assert_true(got.follow);
	assert_true(reads("word"));
	assert_null(got.name);
	assert_int_equal(got.count, 5);
	assert_false(got.follow);
}

static void
what_is_wrong_is_wrong_usage(void **state)
{
	static const char *const wrong[] = { "--count 0", "--count 11",
		"--count x", "--count 1x",
		"--count=", "--count 99999999999999999999", "--nothing",
		"--fd x", "--fd -1", "--fd 4294967296",
		"--fd 987654", /* closed */
		"--follow=x", "-x", "x --name" };
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(reads(wrong[i]));
		assert_int_equal(status, EX_USAGE);
	}
	assert_false(reads("--help"));
	assert_int_equal(status, EX_OK);
}

static void
operands_are_counted(void **state)
{
	(void)state;
	assert_true(reads("one"));
	assert_false(options_read_all(&line, &got, argc, argv, &status));
	assert_int_equal(status, EX_USAGE);
	assert_true(reads("-f"));
	assert_true(options_read_all(&line, &got, argc, argv, &status));
}

static int
find(void)
{
	int i = ACTION_FIND(actions, argc, argv, "usage: x\n");

	return i == -1 ? -1 : actions[i].value;
}

static void
an_action_is_found_with_its_operands(void **state)
{
	(void)state;
	assert_true(reads("list -f"));
	assert_int_equal(find(), 8);
	assert_true(reads("add a -f b"));
	assert_int_equal(find(), 7);
	assert_true(reads("add a"));
	assert_int_equal(find(), 7);
	assert_true(reads("add"));
	assert_int_equal(find(), -1);
	assert_true(reads("add a b c"));
	assert_int_equal(find(), -1);
	assert_true(reads("list a"));
	assert_int_equal(find(), -1);
	assert_true(reads("remove"));
	assert_int_equal(find(), -1);
	assert_true(reads("-f"));
	assert_int_equal(find(), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_lands_in_its_field),
		cmocka_unit_test(what_is_wrong_is_wrong_usage),
		cmocka_unit_test(operands_are_counted),
		cmocka_unit_test(an_action_is_found_with_its_operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
