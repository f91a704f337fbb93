#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include "util/err.h"

/*
 * text_set: *to becomes a copy of text, and what it was before is freed.
 * ERR_RETRY: out of memory, and *to is as it was.
 */
int text_set(char **to, const char *text, struct err *e) MUST_CHECK;

#endif
