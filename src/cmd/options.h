#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * options: a command's command line, from tables.
 *
 *	options_read -> action_find -> argv[optind + 1] is the first operand
 */

enum option_kind {
	OPTION_TEXT,   /* const char * */
	OPTION_NUMBER, /* long, min to max */
	OPTION_FLAG,   /* bool */
	OPTION_FD      /* int, a descriptor that is open */
};

struct option_row {
	const char *name; /* without its dashes */
	enum option_kind kind;
	size_t at;     /* its place in the command's struct of arguments */
	char letter;   /* the short form; 0: none */
	long min, max; /* of a number */
};

#define OPTIONS_MAX 24

/* What a command reads. All know --help beside it. */
struct command_line {
	const char *usage;
	const struct option_row *rows;
	size_t count; /* up to OPTIONS_MAX */
};

/* clang-format off */
#define COMMAND_LINE(usage, rows) \
	{ usage, rows, sizeof(rows) / sizeof((rows)[0]) }
/* clang-format on */

/*
 * Fills the struct at into, which has its defaults; texts are argv's. False
 * when there is no more to do: *status is the exit status (after --help, or of
 * wrong usage, which has been said).
 */
bool options_read(const struct command_line *c, void *into, int argc,
    char **argv, int *status);

/* The same for a command without operands. */
bool options_read_all(const struct command_line *c, void *into, int argc,
    char **argv, int *status);

/* A whole number from min to max, and nothing else. */
bool options_number(const char *text, long min, long max, long *n);

/* A command's word: "add". The first member of a row of the command's own. */
struct action {
	const char *name;
	int least, most; /* operands behind it */
};

/* The row of argv[optind], of n that are stride bytes each; -1: wrong usage,
 * which has been said. */
int action_find(const struct action *first, size_t stride, size_t n, int argc,
    char **argv, const char *usage);

#define ACTION_FIND(table, argc, argv, usage)           \
	action_find(&(table)[0].is, sizeof((table)[0]), \
	    sizeof(table) / sizeof((table)[0]), argc, argv, usage)

#endif
