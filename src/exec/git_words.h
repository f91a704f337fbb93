#ifndef EXEC_GIT_WORDS_H
#define EXEC_GIT_WORDS_H

#include <stdbool.h>

/*
 * git_words: what git means when it cannot get on with a repository's host,
 * read from what it printed under LC_ALL=C. Pure.
 */
struct git_meaning {
	const char *words;
	const char *failure; /* NULL: the network; another try may do better */
	const char *text;    /* for users; NULL: depends on the caller */
};

/* The first that is found in said; NULL: nothing that we know. */
const struct git_meaning *git_meaning_of(const char *said);

/* The machine had no room for a process: nothing that the user could change. */
bool git_could_not_fork(const char *said);

#endif
