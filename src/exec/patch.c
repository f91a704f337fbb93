#include "exec/patch.h"

#include <stdlib.h>
#include <string.h>

#define FILES_MAX 100000 /* as many as CHANGED_FILES_MAX may be, and more */

void
patch_clear(struct patch_files *f)
{
	free(f->list);
	*f = (struct patch_files){ 0 };
}

/* What has been read of the file at hand. */
struct section {
	struct patch_file file;
	bool any;    /* a header was there */
	bool header; /* its end was not */
};

static bool
starts(const char *line, size_t n, const char *words, const char **rest,
    size_t *rest_len)
{
	size_t len = strlen(words);

	if (n < len || memcmp(line, words, len) != 0)
		return false;
	*rest = line + len;
	*rest_len = n - len;
	return true;
}

/* Length of a name in quotes, from the first to the last; 0: it has no end. */
static size_t
quoted_len(const char *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == '"')
			return i + 1;
	}
	return 0;
}

static struct patch_name
read_name(const char *s, size_t n)
{
	struct patch_name name = { s, n, false };

	if (n >= 2 && s[0] == '"')
		name = (struct patch_name){ s + 1, n - 2, true };
	return name;
}

/*
 * The one name of "a/NAME b/NAME". Of a rename it makes no sense; but there
 * the names have lines of their own.
 */
static struct patch_name
read_both(const char *s, size_t n)
{
	struct patch_name name;
	size_t half = n / 2; /* "a/NAME", before the blank */

	if (n > 0 && s[0] == '"')
		half = quoted_len(s, n);
	if (half > n)
		half = n;
	name = read_name(s, half);
	if (name.len <= 2)
		return (struct patch_name){ "", 0, false };
	name.text += 2;
	name.len -= 2;
	return name;
}

/* "OLD..NEW" and perhaps a mode. */
static void
read_ids(struct patch_file *f, const char *s, size_t n)
{
	const char *dots = memmem(s, n, "..", 2);
	size_t old_len = dots == NULL ? 0 : (size_t)(dots - s), new_len = 0;

	if (dots == NULL || old_len > CHANGES_ID_MAX)
		return;
	s = dots + 2;
	n -= old_len + 2;
	while (new_len < n && s[new_len] != ' ')
		new_len++;
	if (new_len > CHANGES_ID_MAX)
		return;
	memcpy(f->old_id, dots - old_len, old_len);
	f->old_id[old_len] = '\0';
	memcpy(f->new_id, s, new_len);
	f->new_id[new_len] = '\0';
}

static void
read_header_line(struct section *at, const char *line, size_t n)
{
	const char *rest;
	size_t len;

	if (starts(line, n, "rename from ", &rest, &len) ||
	    starts(line, n, "copy from ", &rest, &len))
		at->file.old_path = read_name(rest, len);
	else if (starts(line, n, "rename to ", &rest, &len) ||
	    starts(line, n, "copy to ", &rest, &len))
		at->file.path = read_name(rest, len);
	else if (starts(line, n, "index ", &rest, &len))
		read_ids(&at->file, rest, len);
	else if (starts(line, n, "GIT binary patch", &rest, &len))
		at->file.encoded = true;
	/* What follows are lines of the file. */
	if (at->file.encoded || starts(line, n, "@@ ", &rest, &len))
		at->header = false;
}

static bool
is_fragile(const char *line, size_t n)
{
	return n > 0 && (line[0] == '+' || line[0] == '-' || line[0] == ' ') &&
	    (line[n - 1] == '\r' || memchr(line, '\0', n) != NULL);
}

/* Ends the file at hand; one that needs care goes into the list. */
static int
end_section(struct patch_files *f, size_t *room, const struct section *at,
    struct err *e)
{
	struct patch_file *list;

	if (!at->any || (!at->file.fragile && !at->file.encoded))
		return 0;
	if (at->file.path.len == 0 || at->file.old_path.len == 0 ||
	    f->count == FILES_MAX)
		return err_set(e, ERR_BROKEN, "the patch is not valid");
	if (f->count == *room) {
		*room = *room == 0 ? 16 : *room * 2;
		list = reallocarray(f->list, *room, sizeof(*list));
		if (list == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		f->list = list;
	}
	f->list[f->count++] = at->file;
	return 0;
}

static void
begin_section(struct section *at, const char *names, size_t len)
{
	const struct patch_name both = read_both(names, len);

	*at = (struct section){ .any = true,
		.header = true,
		.file = { .path = both, .old_path = both } };
}

int
patch_read(struct patch_files *f, const char *patch, size_t len, struct err *e)
{
	const char *end = patch + len, *names;
	struct section at = { 0 };
	size_t room = 0, names_len;

	*f = (struct patch_files){ 0 };
	for (size_t n; len > 0 && patch < end; patch += n + 1) {
		const char *nl = memchr(patch, '\n', (size_t)(end - patch));

		n = (size_t)((nl == NULL ? end : nl) - patch);
		/* What a file has inside never begins like this. */
		if (starts(patch, n, "diff --git ", &names, &names_len)) {
			if (end_section(f, &room, &at, e) == -1)
				goto failed;
			begin_section(&at, names, names_len);
		} else if (at.header) {
			read_header_line(&at, patch, n);
		} else if (at.any && is_fragile(patch, n)) {
			at.file.fragile = true;
		}
	}
	if (end_section(f, &room, &at, e) == 0)
		return 0;
failed:
	patch_clear(f);
	return -1;
}

/* The next byte of a name, without git's quoting. */
static unsigned char
next_byte(const struct patch_name *name, size_t *at)
{
	static const char letters[] = "abtnvfr\"\\";
	static const char meanings[] = "\a\b\t\n\v\f\r\"\\";
	char c = name->text[(*at)++];
	const char *letter;
	unsigned int octal = 0;

	if (!name->quoted || c != '\\' || *at == name->len)
		return (unsigned char)c;
	c = name->text[*at];
	if ((letter = memchr(letters, c, sizeof(letters) - 1)) != NULL) {
		(*at)++;
		return (unsigned char)meanings[letter - letters];
	}
	for (int i = 0; i < 3 && *at < name->len && name->text[*at] >= '0' &&
	     name->text[*at] <= '7';
	     i++, (*at)++)
		octal = octal * 8 + (unsigned int)(name->text[*at] - '0');
	return (unsigned char)octal;
}

/* Appends one pattern that means exactly this path, and what it gets. */
static void
add_attribute(struct buf *out, const struct patch_name *name, bool text)
{
	size_t at = 0;

	buf_puts(out, "\"/");
	while (at < name->len) {
		unsigned char ch = next_byte(name, &at);

		/* Once for the pattern, and once for the quotes. */
		if (ch == '*' || ch == '?' || ch == '[')
			buf_addf(out, "\\\\%c", ch);
		else if (ch == '\\')
			buf_puts(out, "\\\\\\\\");
		else if (ch == '"')
			buf_puts(out, "\\\"");
		else if (ch < 0x20 || ch >= 0x7f)
			buf_addf(out, "\\%03o", ch);
		else
			buf_putc(out, (char)ch);
	}
	buf_puts(out, text ? "\" diff\n" : "\" -diff\n");
}

void
patch_attribute(struct buf *out, const struct patch_file *f, bool text)
{
	add_attribute(out, &f->path, text);
	if (f->old_path.text != f->path.text)
		add_attribute(out, &f->old_path, text);
}
