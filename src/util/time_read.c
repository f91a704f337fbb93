/* timegm() knows the calendar; strptime() would take too much for a time. */
#include "util/time_read.h"

#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define LAST_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* What is still to be read. */
struct rest {
	const char *at;
	const char *end;
};

static bool
take(struct rest *r, const char *any_of)
{
	if (r->at == r->end || *r->at == '\0' || strchr(any_of, *r->at) == NULL)
		return false;
	r->at++;
	return true;
}

/* Exactly n digits. */
static bool
number(struct rest *r, size_t n, int *value)
{
	*value = 0;
	for (; n > 0; n--) {
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return false;
		*value = *value * 10 + (*r->at++ - '0');
	}
	return true;
}

/* ".123456", or nothing; what is finer than a microsecond is cut off. */
static bool
fraction(struct rest *r, int64_t *us)
{
	int64_t unit = US_PER_S / 10;
	const char *from;

	*us = 0;
	if (!take(r, "."))
		return true;
	for (from = r->at; r->at < r->end && *r->at >= '0' && *r->at <= '9';
	     r->at++) {
		*us += unit * (*r->at - '0');
		unit /= 10;
	}
	return r->at > from;
}

/* "Z", "+00", "+0530", "-02:30" or nothing. */
static bool
offset(struct rest *r, int64_t *seconds)
{
	int hours, minutes = 0;
	bool behind;

	*seconds = 0;
	if (r->at == r->end || take(r, "Z"))
		return true;
	behind = *r->at == '-';
	if (!take(r, "+-") || !number(r, 2, &hours))
		return false;
	if (r->at < r->end) {
		(void)take(r, ":");
		if (!number(r, 2, &minutes))
			return false;
	}
	*seconds = (hours * 60 + minutes) * 60;
	if (behind)
		*seconds = -*seconds;
	return hours <= 15 && minutes < 60;
}

static bool
calendar(struct rest *r, int64_t *seconds)
{
	struct tm t = { 0 }, same;
	time_t at;

	if (!number(r, 4, &t.tm_year) || !take(r, "-") ||
	    !number(r, 2, &t.tm_mon) || !take(r, "-") ||
	    !number(r, 2, &t.tm_mday) || !take(r, " T") ||
	    !number(r, 2, &t.tm_hour) || !take(r, ":") ||
	    !number(r, 2, &t.tm_min) || !take(r, ":") ||
	    !number(r, 2, &t.tm_sec))
		return false;
	t.tm_year -= 1900;
	t.tm_mon--;
	same = t;
	at = timegm(&same);
	*seconds = at;
	/* A day that is not there would have become another one. */
	return same.tm_mday == t.tm_mday && same.tm_mon == t.tm_mon &&
	    same.tm_hour == t.tm_hour && same.tm_min == t.tm_min &&
	    same.tm_sec == t.tm_sec;
}

static bool
epoch(struct rest *r, int64_t *seconds)
{
	const char *from = r->at;

	*seconds = 0;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		if (*seconds > LAST_S)
			return false;
		*seconds = *seconds * 10 + (*r->at++ - '0');
	}
	return r->at > from;
}

bool
time_read(int64_t *wall_us, const char *text, size_t len)
{
	struct rest r = { text, text + len };
	int64_t seconds, us, away = 0;

	if (len > 4 && text[4] == '-') {
		if (!calendar(&r, &seconds) || !fraction(&r, &us) ||
		    !offset(&r, &away))
			return false;
	} else if (!epoch(&r, &seconds) || !fraction(&r, &us))
		return false;
	seconds -= away;
	if (r.at != r.end || seconds < 0 || seconds > LAST_S)
		return false;
	*wall_us = seconds * US_PER_S + us;
	return true;
}
