#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/*
 * clock: the two clocks and the one way in which we write a time.
 *
 * Deadlines use the monotonic clock and nothing else; the wall clock is only
 * shown. Leases are judged by neither, but by the database's clock.
 */

/* Milliseconds / microseconds since some fixed point; never steps. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* Microseconds since 1970, UTC. */
int64_t clock_wall_us(void);

/* Room for a time in text, with its NUL. */
#define CLOCK_TEXT 40

/*
 * Row timestamps of the HTTP contract (1.5):
 * "2025-06-14T10:11:12.123456+00:00", trailing zeros of the fraction removed,
 * no fraction when it is zero.
 */
void clock_text(char out[CLOCK_TEXT], int64_t wall_us);

/*
 * The same from MariaDB's "2025-06-14 10:11:12.123456" (len bytes, not
 * terminated). Writes "" when it is no such time.
 */
void clock_text_of_db(char out[CLOCK_TEXT], const char *db, size_t len);

#endif
