#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[ERR_NONE] = "none",
	[ERR_INVALID] = "invalid",
	[ERR_UNKNOWN] = "unknown",
	[ERR_DENIED] = "denied",
	[ERR_ABSENT] = "absent",
	[ERR_CONFLICT] = "conflict",
	[ERR_RETRY] = "retry",
	[ERR_BROKEN] = "broken",
};

_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == ERR_KIND_N,
    "every kind has its name");

int
err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	e->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -1;
}

int
err_sys(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list ap;

	e->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	(void)snprintf(e->text + used, sizeof(e->text) - used, ": %s",
	    strerror(saved));
	return -1;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[sizeof(e->text)];
	size_t used;
	va_list ap;

	memcpy(inner, e->text, sizeof(inner));
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	used = strlen(e->text);
	(void)snprintf(e->text + used, sizeof(e->text) - used, ": %.*s",
	    (int)(sizeof(e->text) - used), inner);
	return -1;
}

const char *
err_kind_name(enum err_kind kind)
{
	if ((unsigned int)kind >= ERR_KIND_N)
		return "broken";
	return kind_names[kind];
}
