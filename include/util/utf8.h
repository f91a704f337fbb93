#ifndef UTIL_UTF8_H
#define UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

/*
 * utf8: RFC 3629 to the letter: no overlong forms, no surrogates, nothing
 * above U+10FFFF (K2). Text from agents, git and the database goes through
 * here before it may stand in JSON.
 */

/* True if all len bytes are valid; NUL counts as a valid character. */
bool utf8_valid(const char *text, size_t len);

/* Number of code points in valid text. */
size_t utf8_length(const char *text, size_t len);

/* Bytes that the first n code points of valid text take (or len). */
size_t utf8_prefix(const char *text, size_t len, size_t n);

/*
 * Appends text with every invalid sequence, and every NUL, replaced by
 * U+FFFD.
 */
void utf8_clean(struct buf *out, const char *text, size_t len);

/*
 * The largest n <= len such that text[0..n) does not end inside a sequence
 * that more bytes could complete: for cutting a stream into pieces.
 */
size_t utf8_whole(const char *text, size_t len);

#endif
