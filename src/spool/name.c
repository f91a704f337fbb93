/* The folder names of spool/spool.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spool/spool.h"

void
spool_name(char out[SPOOL_NAME_MAX], int64_t task_id, unsigned int attempt)
{
	bool publish = attempt > SPOOL_PUBLISH;

	(void)snprintf(out, SPOOL_NAME_MAX, "%" PRId64 ".%s%u", task_id,
	    publish ? "p" : "", publish ? attempt - SPOOL_PUBLISH : attempt);
}

/*
 * A decimal number without sign and leading zeros, at least 1 and at most
 * most. Returns what comes behind it, or NULL.
 */
static const char *
read_number(const char *s, int64_t most, int64_t *n)
{
	int64_t value = 0;

	if (*s < '1' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		int digit = *s - '0';

		if (value > (most - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*n = value;
	return s;
}

bool
spool_name_read(const char *name, int64_t *task_id, unsigned int *attempt)
{
	int64_t id, n;
	const char *s = read_number(name, INT64_MAX, &id);
	bool publish;

	if (s == NULL || *s++ != '.')
		return false;
	publish = *s == 'p';
	s = read_number(publish ? s + 1 : s, SPOOL_PUBLISH, &n);
	if (s == NULL || *s != '\0')
		return false;
	*task_id = id;
	*attempt = (unsigned int)n + (publish ? SPOOL_PUBLISH : 0);
	return true;
}
