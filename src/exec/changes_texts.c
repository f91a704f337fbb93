/* The half of changes.h that is shown to people. */
#include <stdlib.h>
#include <string.h>

#include "exec/changes.h"
#include "util/json.h"
#include "util/utf8.h"

#define NOT_THERE "FILE_NOT_EXISTS"
#define DELETED "FILE_DELETED"
#define PATH_MAX_BYTES 8192

/* One text of "cat-file --batch": "ID blob SIZE\n", the bytes, "\n". */
struct blob {
	const char *id;
	size_t id_len;
	const char *bytes;
	size_t len;
};

struct blobs {
	struct blob *list;
	size_t count;
};

/* Takes one off the front; false at the end, or where it makes no sense. */
static bool
take_blob(const char **at, const char *end, struct blob *b)
{
	const char *nl = memchr(*at, '\n', (size_t)(end - *at));
	const char *s = *at;
	size_t id_len, size = 0;

	if (nl == NULL)
		return false;
	id_len = strspn(s, "0123456789abcdef");
	if (strncmp(s + id_len, " blob ", 6) != 0)
		return false;
	for (s += id_len + 6; s < nl; s++) {
		if (*s < '0' || *s > '9' || size > (size_t)(end - nl))
			return false;
		size = size * 10 + (size_t)(*s - '0');
	}
	if (size + 1 > (size_t)(end - nl - 1))
		return false;
	*b = (struct blob){ *at, id_len, nl + 1, size };
	*at = nl + 1 + size + 1;
	return true;
}

static void
read_blobs(const struct buf *text, size_t most, struct blobs *out)
{
	const char *at = text->data, *end = text->data + text->len;

	*out = (struct blobs){ calloc(most, sizeof(*out->list)), 0 };
	if (out->list == NULL || text->len == 0)
		return;
	while (out->count < most && at < end &&
	    take_blob(&at, end, &out->list[out->count]))
		out->count++;
}

/* A text that can be shown, NULL if it is not there or is no text. */
static const struct blob *
find_text(const struct blobs *all, const char *id)
{
	size_t id_len = strlen(id);

	for (size_t i = 0; i < all->count; i++) {
		const struct blob *b = &all->list[i];

		if (b->id_len != id_len || memcmp(b->id, id, id_len) != 0)
			continue;
		if (memchr(b->bytes, '\0', b->len) != NULL ||
		    !utf8_valid(b->bytes, b->len))
			return NULL;
		return b;
	}
	return NULL;
}

static void
put_clean(struct json_out *j, const char *name, const char *text)
{
	struct buf clean = BUF(PATH_MAX_BYTES);

	utf8_clean(&clean, text, strlen(text));
	if (name != NULL)
		json_name(j, name);
	if (!buf_ok(&clean))
		json_text(j, "(a name that is too long)");
	else
		json_string(j, clean.data == NULL ? "" : clean.data, clean.len);
	buf_clear(&clean);
}

void
changes_paths(const struct changes *c, struct buf *out)
{
	struct json_out j;

	json_start(&j, out);
	json_open_array(&j);
	for (size_t i = 0; i < c->count; i++)
		if (!change_is_ignored(&c->list[i]))
			put_clean(&j, NULL, c->list[i].path);
	json_close_array(&j);
}

/* Appends one file to an array; false, with nothing appended: no texts. */
static bool
put_file(struct json_out *j, const struct change *c, const struct blobs *all)
{
	static const struct blob not_there = { .bytes = NOT_THERE,
		.len = sizeof(NOT_THERE) - 1 };
	static const struct blob deleted = { .bytes = DELETED,
		.len = sizeof(DELETED) - 1 };
	const struct blob *before, *after;

	before = c->status == 'A' ? &not_there : find_text(all, c->old_id);
	after = c->status == 'D' ? &deleted : find_text(all, c->new_id);
	if (before == NULL || after == NULL)
		return false;
	json_open(j);
	put_clean(j, "filename", c->path);
	json_name_string(j, "before", before->bytes, before->len);
	json_name_string(j, "after", after->bytes, after->len);
	json_close(j);
	return true;
}

void
changes_texts(const struct changes *c, const struct buf *blobs, size_t files,
    size_t max_bytes, struct buf *out)
{
	struct buf one = BUF(max_bytes);
	struct json_out j, part;
	struct blobs all;
	size_t used = 0;

	read_blobs(blobs, files * 2, &all);
	json_start(&j, out);
	json_open_array(&j);
	for (size_t i = 0; i < c->count && i < files; i++) {
		buf_reset(&one);
		json_start(&part, &one);
		if (!put_file(&part, &c->list[i], &all))
			continue;
		if (!buf_ok(&one) || used + one.len > max_bytes)
			break;
		json_raw(&j, one.data, one.len);
		used += one.len;
	}
	json_close_array(&j);
	buf_clear(&one);
	free(all.list);
}
