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

	*c = (struct changes){ 0 };
	if (raw->len == 0)
		return 0;
	while (at.at < at.end) {
		if (c->count == room && grow(c, &room, most, e) == -1)
			goto failed;
		if (!read_change(&at, &c->list[c->count])) {
			(void)err_set(e, ERR_BROKEN,
			    "the list of changes is not valid");
			goto failed;
		}
		c->count++;
	}
	return 0;
failed:
	changes_clear(c);
	return -1;
}

bool
change_is_nested(const struct change *c)
{
	return c->new_mode == GITLINK && c->old_mode != GITLINK;
}

static bool
is_content_line(const char *line)
{
	return line[0] == '+' || line[0] == '-' || line[0] == ' ';
}

/* Appends one pattern that means exactly this path, and what it gets. */
static void
add_attribute(struct buf *out, const char *path)
{
	buf_puts(out, "\"/");
	for (; *path != '\0'; path++) {
		unsigned char ch = (unsigned char)*path;

		/* Once for the pattern, and once for the quotes. */
		if (strchr("*?[", ch) != NULL)
			buf_addf(out, "\\\\%c", ch);
		else if (ch == '\\')
			buf_puts(out, "\\\\\\\\");
		else if (ch == '"')
			buf_puts(out, "\\\"");
		else if (ch < 0x20 || ch >= 0x7f)
			buf_addf(out, "\\%03o", ch);
		else
			buf_putc(out, *path);
	}
	buf_puts(out, "\" -diff\n");
}

static void
add_fragile(struct buf *out, const struct change *c)
{
	add_attribute(out, c->path);
	if (c->old_path != c->path)
		add_attribute(out, c->old_path);
}

size_t
changes_fragile(const struct changes *c, const char *patch, size_t len,
    struct buf *attributes)
{
	static const char header[] = "diff --git ";
	const char *end = patch + len;
	size_t file = 0, found = 0; /* file: how many headers have passed */
	bool marked = false;

	if (len == 0 ||
	    (memchr(patch, '\r', len) == NULL &&
		memchr(patch, '\0', len) == NULL))
		return 0;
	while (patch < end) {
		const char *nl = memchr(patch, '\n', (size_t)(end - patch));
		size_t n = (size_t)((nl == NULL ? end : nl) - patch);

		/* The files stand in the list's order. */
		if (n >= sizeof(header) - 1 &&
		    memcmp(patch, header, sizeof(header) - 1) == 0) {
			file++;
			marked = false;
		} else if (n > 0 && !marked && file > 0 && file <= c->count &&
		    is_content_line(patch) &&
		    (patch[n - 1] == '\r' || memchr(patch, '\0', n) != NULL)) {
			add_fragile(attributes, &c->list[file - 1]);
			marked = true;
			found++;
		}
		patch += n + 1;
	}
	return found;
}
