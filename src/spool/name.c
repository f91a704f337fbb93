/* The folder names of spool/spool.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spool/spool.h"

#define ATTEMPT_MOST 1000000u

void
spool_name(char out[SPOOL_NAME_MAX], int64_t task_id, unsigned int attempt)
{
	(void)snprintf(out, SPOOL_NAME_MAX, "%" PRId64 ".%u", task_id, attempt);
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

	if (s == NULL || *s != '.')
		return false;
	s = read_number(s + 1, ATTEMPT_MOST, &n);
	if (s == NULL || *s != '\0')
		return false;
	*task_id = id;
	*attempt = (unsigned int)n;
	return true;
}
