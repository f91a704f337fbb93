#ifndef HTTP_DECODE_H
#define HTTP_DECODE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * decode: percent-encoded bytes to text, once and never twice. Pure functions
 * on input that is hostile.
 */
enum decode_kind {
	DECODE_PATH, /* '+' is itself */
	DECODE_QUERY /* '+' is a space */
};

/*
 * Decodes len bytes into out (size bytes with NUL). False, with out empty, when
 * it does not fit, an escape is cut or no hex, or the result holds a control
 * character (NUL among them) or is not UTF-8.
 */
bool http_decode(const char *raw, size_t len, enum decode_kind kind, char *out,
    size_t size);

/*
 * True for a path that we route: UTF-8 without control characters that begins
 * with '/' and has no "." and no ".." segment. A web server in front matches
 * its rules against the path with those removed, so a path that still has them
 * would mean two things to two programs.
 */
bool http_path_plain(const char *path);

#endif
