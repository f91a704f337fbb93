#include "exec/changes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GITLINK 0160000u

void
changes_clear(struct changes *c)
{
	free(c->list);
	*c = (struct changes){ 0 };
}

/* Where a reader of NUL-terminated fields is. */
struct cursor {
	const char *at, *end;
};

/* The next field; NULL when there is no whole one. */
static const char *
field(struct cursor *c)
{
	const char *s = c->at, *nul;

	if (s >= c->end ||
	    (nul = memchr(s, '\0', (size_t)(c->end - s))) == NULL)
		return NULL;
	c->at = nul + 1;
	return s;
}

static bool
read_mode(const char **s, unsigned int *mode)
{
	unsigned int value = 0;

	for (int i = 0; i < 6; i++, (*s)++) {
		if (**s < '0' || **s > '7')
			return false;
		value = value * 8 + (unsigned int)(**s - '0');
	}
	*mode = value;
	return *(*s)++ == ' ';
}

static bool
read_id(const char **s, char id[CHANGES_ID_MAX + 1])
{
	size_t n = strspn(*s, "0123456789abcdef");

	if ((n != 40 && n != 64) || (*s)[n] != ' ')
		return false;
	memcpy(id, *s, n);
	id[n] = '\0';
	*s += n + 1;
	return true;
}

/* A part of a path that must never be there (R9). */
static bool
is_bad_part(const char *s, size_t n)
{
	return n == 0 || (n == 1 && s[0] == '.') ||
	    (n == 2 && s[0] == '.' && s[1] == '.') ||
	    (n == 4 && strncasecmp(s, ".git", 4) == 0);
}

static bool
is_path(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "/");

		if (is_bad_part(s, n))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

/* ":100644 100755 ID ID M" and one or two paths. */
static bool
read_change(struct cursor *at, struct change *c)
{
	const char *s = field(at);

	if (s == NULL || *s++ != ':' || !read_mode(&s, &c->old_mode) ||
	    !read_mode(&s, &c->new_mode) || !read_id(&s, c->old_id) ||
	    !read_id(&s, c->new_id) || strchr("ADMTRC", *s) == NULL ||
	    *s == '\0')
		return false;
	c->status = *s++;
	if (s[strspn(s, "0123456789")] != '\0')
		return false;
	if ((c->old_path = c->path = field(at)) == NULL || !is_path(c->path))
		return false;
	/* The old name comes first here (R9). */
	if (c->status == 'R' || c->status == 'C') {
		c->path = field(at);
		return c->path != NULL && is_path(c->path);
	}
	return true;
}

/* Room for twice as many, but not for more than most. */
static int
grow(struct changes *c, size_t *room, size_t most, struct err *e)
{
	struct change *list;

	if (c->count == most)
		return err_set(e, ERR_INVALID, "more than %zu files changed",
		    most);
	*room = *room == 0 ? 16 : *room * 2;
	if (*room > most)
		*room = most;
	list = reallocarray(c->list, *room, sizeof(*list));
	if (list == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	c->list = list;
	return 0;
}

int
changes_read(struct changes *c, const struct buf *raw, size_t most,
    struct err *e)
{
	struct cursor at = { raw->data, raw->data + raw->len };
	size_t room = 0;
	int rc = -1;

	*c = (struct changes){ 0 };
	if (raw->len == 0)
		return 0;
	while (at.at < at.end) {
		if (c->count == room && grow(c, &room, most, e) == -1)
			goto out;
		if (!read_change(&at, &c->list[c->count])) {
			(void)err_set(e, ERR_BROKEN,
			    "the list of changes is not valid");
			goto out;
		}
		c->count++;
	}
	rc = 0;
out:
	if (rc == -1)
		changes_clear(c);
	return rc;
}

bool
change_is_nested(const struct change *c)
{
	return c->new_mode == GITLINK && c->old_mode != GITLINK;
}

bool
change_is_ignored(const struct change *c)
{
	return (c->old_mode == 0 || c->old_mode == GITLINK) &&
	    (c->new_mode == 0 || c->new_mode == GITLINK);
}
