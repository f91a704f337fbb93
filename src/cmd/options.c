#include "cmd/options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/admin.h"

#define HELP 1     /* what getopt_long() says for --help */
#define FIRST 1000 /* and for the first row; letters are below */

bool
options_number(const char *text, long min, long max, long *n)
{
	char *end;

	errno = 0;
	*n = strtol(text, &end, 10);
	return end != text && *end == '\0' && errno == 0 && *n >= min &&
	    *n <= max;
}

static bool
read_fd(const char *text, int *fd)
{
	long n;

	if (!options_number(text, 0, INT_MAX, &n))
		return false;
	*fd = (int)n;
	return fcntl(*fd, F_GETFD) != -1;
}

static bool
put(const struct option_row *row, void *into, const char *text)
{
	void *at = (char *)into + row->at;

	switch (row->kind) {
	case OPTION_TEXT:
		*(const char **)at = text;
		return true;
	case OPTION_NUMBER:
		return options_number(text, row->min, row->max, at);
	case OPTION_FLAG:
		*(bool *)at = true;
		return true;
	case OPTION_FD:
		return read_fd(text, at);
	}
	return false;
}

static const struct option_row *
row_of(const struct command_line *c, int got)
{
	if (got >= FIRST)
		return &c->rows[got - FIRST];
	for (size_t i = 0; i < c->count; i++)
		if (c->rows[i].letter != 0 && c->rows[i].letter == got)
			return &c->rows[i];
	return NULL;
}

/* The tables that getopt_long() wants. */
static void
make_tables(const struct command_line *c, struct option longs[OPTIONS_MAX + 2],
    char letters[2 * OPTIONS_MAX + 1])
{
	size_t n = 0;

	memset(longs, 0, (OPTIONS_MAX + 2) * sizeof(longs[0]));
	for (size_t i = 0; i < c->count; i++) {
		const struct option_row *row = &c->rows[i];
		bool takes = row->kind != OPTION_FLAG;

		longs[i].name = row->name;
		longs[i].has_arg = takes ? required_argument : no_argument;
		longs[i].val = FIRST + (int)i;
		if (row->letter != 0) {
			letters[n++] = row->letter;
			if (takes)
				letters[n++] = ':';
		}
	}
	letters[n] = '\0';
	longs[c->count].name = "help";
	longs[c->count].val = HELP;
}

bool
options_read(const struct command_line *c, void *into, int argc, char **argv,
    int *status)
{
	struct option longs[OPTIONS_MAX + 2];
	char letters[2 * OPTIONS_MAX + 1];
	int got;

	make_tables(c, longs, letters);
	while ((got = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_row *row;

		if (got == HELP) {
			(void)fputs(c->usage, stdout);
			*status = EX_OK;
			return false;
		}
		if ((row = row_of(c, got)) == NULL || !put(row, into, optarg)) {
			*status = cmd_usage(c->usage);
			return false;
		}
	}
	return true;
}

bool
options_read_all(const struct command_line *c, void *into, int argc,
    char **argv, int *status)
{
	if (!options_read(c, into, argc, argv, status))
		return false;
	if (optind == argc)
		return true;
	*status = cmd_usage(c->usage);
	return false;
}

int
action_find(const struct action *first, size_t stride, size_t n, int argc,
    char **argv, const char *usage)
{
	const int operands = argc - optind - 1;

	for (size_t i = 0; operands >= 0 && i < n; i++) {
		const struct action *a =
		    (const void *)((const char *)first + i * stride);

		if (strcmp(argv[optind], a->name) == 0 &&
		    operands >= a->least && operands <= a->most)
			return (int)i;
	}
	(void)cmd_usage(usage);
	return -1;
}
