#ifndef DB_MIGRATE_SCAN_H
#define DB_MIGRATE_SCAN_H

#include <stddef.h>

/*
 * migrate_scan: cuts a migration file into its statements. Semicolons in
 * strings, quoted names and comments end nothing.
 */
struct sql_scan {
	const char *at;
	const char *end;
};

/*
 * The next statement, without its semicolon and without the blanks and
 * comments before it. Returns 1, 0 at the end, -1 when a quote or a comment is
 * never closed.
 */
int sql_scan_next(struct sql_scan *s, const char **sql, size_t *len);

#endif
