#include "db/migrate_scan.h"

#include <stdbool.h>
#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
	    c == '\v';
}

/* "-- " needs its blank: a--1 is arithmetic. */
static bool
at_line_comment(const char *p, const char *end)
{
	if (*p == '#')
		return true;
	return end - p >= 2 && p[0] == '-' && p[1] == '-' &&
	    (end - p == 2 || is_blank(p[2]));
}

/* Those with ! or M! are code in disguise. */
static bool
at_block_comment(const char *p, const char *end)
{
	if (end - p < 2 || p[0] != '/' || p[1] != '*')
		return false;
	if (end - p > 2 && p[2] == '!')
		return false;
	return !(end - p > 3 && p[2] == 'M' && p[3] == '!');
}

static const char *
skip_line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

static const char *
skip_block(const char *p, const char *end)
{
	for (p += 2; end - p >= 2; p++)
		if (p[0] == '*' && p[1] == '/')
			return p + 2;
	return NULL;
}

/* A doubled quote begins the next string at once, which comes to the same. */
static const char *
skip_quoted(const char *p, const char *end)
{
	char quote = *p;

	for (p++; p < end; p++) {
		if (*p == '\\' && quote != '`' && end - p > 1)
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return NULL;
}

/* One character, or all of a string or comment; NULL when it is not closed. */
static const char *
skip_one(const char *p, const char *end)
{
	if (at_line_comment(p, end))
		return skip_line(p, end);
	if (at_block_comment(p, end))
		return skip_block(p, end);
	if (*p == '\'' || *p == '"' || *p == '`')
		return skip_quoted(p, end);
	return p + 1;
}

int
sql_scan_next(struct sql_scan *s, const char **sql, size_t *len)
{
	const char *p = s->at, *end = s->end, *begin;

	while (p < end &&
	    (is_blank(*p) || *p == ';' || at_line_comment(p, end) ||
		at_block_comment(p, end))) {
		p = skip_one(p, end);
		if (p == NULL)
			return -1;
	}
	begin = p;
	while (p < end && *p != ';') {
		p = skip_one(p, end);
		if (p == NULL)
			return -1;
	}
	s->at = p < end ? p + 1 : end;
	while (p > begin && is_blank(p[-1]))
		p--;
	*sql = begin;
	*len = (size_t)(p - begin);
	return p > begin ? 1 : 0;
}
