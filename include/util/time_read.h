#ifndef UTIL_TIME_READ_H
#define UTIL_TIME_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * time_read: the forms in which other programs write a time, for imports:
 *
 *	2025-06-14 10:11:12.123456+00     a PostgreSQL export
 *	2025-06-14T10:11:12.123456+00:00  PostgREST; also "Z", "+0530", "-02:30"
 *	2026-11-23T01:55:36.976892        no offset: taken as UTC
 *	1795398936.969428                 seconds since 1970
 *
 * Returns false for anything else, and outside of the years 1970 to 9999.
 */
bool time_read(int64_t *wall_us, const char *text, size_t len);

#endif
