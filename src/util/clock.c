#include "util/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define DB_SECONDS 19 /* "2025-06-14 10:11:12" */
#define FRACTION_MAX 6

static int64_t
now_us(clockid_t which)
{
	struct timespec now;

	/* Cannot fail for the two clocks that every Linux has. */
	(void)clock_gettime(which, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

/* Writes ".123456" without its trailing zeros, or nothing. */
static void
fraction_text(char out[FRACTION_MAX + 2], unsigned int us)
{
	size_t n;

	(void)snprintf(out, FRACTION_MAX + 2, ".%06u", us % 1000000);
	for (n = FRACTION_MAX + 1; n > 0 && out[n - 1] == '0'; n--)
		continue;
	if (n == 1)
		n = 0;
	out[n] = '\0';
}

void
clock_text(char out[CLOCK_TEXT], int64_t wall_us)
{
	char fraction[FRACTION_MAX + 2];
	int64_t us = wall_us % US_PER_S;
	time_t seconds = (time_t)(wall_us / US_PER_S);
	struct tm tm;
	size_t n;

	if (us < 0) {
		us += US_PER_S;
		seconds--;
	}
	out[0] = '\0';
	if (gmtime_r(&seconds, &tm) == NULL)
		return;
	n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	fraction_text(fraction, (unsigned int)us);
	(void)snprintf(out + n, CLOCK_TEXT - n, "%s+00:00", fraction);
}

/* Reads the n digits at *p; false if one of them is none. */
static bool
digits(const char *p, size_t n, unsigned int *value)
{
	*value = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*value = *value * 10 + (unsigned int)(p[i] - '0');
	}
	return true;
}

static bool
is_day(unsigned int year, unsigned int month, unsigned int day)
{
	static const unsigned int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* True for "YYYY-MM-DD HH:MM:SS" of a day that exists. */
static bool
is_db_seconds(const char *p)
{
	unsigned int year, month, day, hour, minute, second;

	if (p[4] != '-' || p[7] != '-' || p[10] != ' ' || p[13] != ':' ||
	    p[16] != ':')
		return false;
	if (!digits(p, 4, &year) || !digits(p + 5, 2, &month) ||
	    !digits(p + 8, 2, &day) || !digits(p + 11, 2, &hour) ||
	    !digits(p + 14, 2, &minute) || !digits(p + 17, 2, &second))
		return false;
	return is_day(year, month, day) && hour < 24 && minute < 60 &&
	    second < 60;
}

void
clock_text_of_db(char out[CLOCK_TEXT], const char *db, size_t len)
{
	char fraction[FRACTION_MAX + 2] = "";
	unsigned int us = 0;
	size_t places;

	out[0] = '\0';
	if (len < DB_SECONDS || !is_db_seconds(db))
		return;
	if (len > DB_SECONDS) {
		places = len - DB_SECONDS - 1;
		if (db[DB_SECONDS] != '.' || places < 1 ||
		    places > FRACTION_MAX ||
		    !digits(db + DB_SECONDS + 1, places, &us))
			return;
		for (; places < FRACTION_MAX; places++)
			us *= 10;
	}
	fraction_text(fraction, us);
	(void)snprintf(out, CLOCK_TEXT, "%.10sT%.8s%s+00:00", db, db + 11,
	    fraction);
}
