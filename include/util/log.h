#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

#include "util/err.h"

/*
 * log: one fact, one line, always name=value, to standard error (or the file
 * that log_to_file() put in its place):
 *
 *	2026-11-23T10:11:12.345Z info reaper[4711] task id=91 step=clone
 *
 * log_line() takes the fact and the pairs in one printf-like call; values
 * that came from outside go through LOG_STR so that they stay one escaped,
 * bounded word:
 *
 *	log_line(LOG_INFO, "task id=%ld path=" LOG_STR, id, log_str(path));
 *
 * Prompts, tokens and environments are never logged. A line is one write(2)
 * of at most 4 KiB, so lines of several processes never mix; a line that
 * cannot be written, or not at once, is dropped: nothing waits for its log.
 */
enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_LEVEL_N
};

/*
 * Names this process in every line. Call again after fork. A pipe at standard
 * error does not block any more after it, for this process alone.
 * process is borrowed for good: pass a literal.
 */
void log_open(const char *process, enum log_level most);

/* Appends to path from now on, or opens it again after a rotation (USR1). */
int log_to_file(const char *path, struct err *e) MUST_CHECK;

/* True if lines of this level are written: for those that cost something. */
bool log_wants(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "<fact> kind=... text=..." for an error that ends here. */
void log_err(enum log_level level, const struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_STR "%s"

/*
 * A value from outside, quoted and escaped, cut at 480 bytes. The result is
 * in a ring of eight static buffers, good until the eighth call after it.
 */
const char *log_str(const char *value);

/* LOG_INFO for "info" and so on; LOG_LEVEL_N when there is no such level. */
enum log_level log_level_of(const char *name);

#endif
