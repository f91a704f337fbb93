#include "cmd/import_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/json.h"
#include "util/utf8.h"

const char *
record_get(const struct record *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->fields[i].name, name) == 0)
			return r->fields[i].null
			    ? NULL
			    : r->text.data + r->fields[i].offset;
	return NULL;
}

static bool
record_has(const struct record *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->fields[i].name, name) == 0)
			return true;
	return false;
}

void
record_clear(struct record *r)
{
	buf_clear(&r->text);
	r->count = 0;
}

static void
record_begin(struct record *r, size_t line)
{
	r->line = line;
	r->count = 0;
	r->text.max = CSV_ROW_BYTES_MAX;
	buf_reset(&r->text);
}

/* A field's name is set; now its value. */
static void
record_value(struct record *r, const char *text, size_t len)
{
	struct record_field *f = &r->fields[r->count++];

	f->null = text == NULL;
	f->offset = r->text.len;
	f->len = len;
	buf_add(&r->text, text == NULL ? "" : text, len);
	buf_putc(&r->text, '\0');
}

/* Its text in full, if it fits and is text. */
static int
record_end(const struct record *r, struct err *e)
{
	if (!buf_ok(&r->text)) {
		err_set(e, ERR_INVALID, "the row is too large");
		return 2;
	}
	for (size_t i = 0; i < r->count; i++) {
		const struct record_field *f = &r->fields[i];
		const char *text = r->text.data + f->offset;

		if (utf8_valid(text, f->len) &&
		    memchr(text, '\0', f->len) == NULL)
			continue;
		err_set(e, ERR_INVALID, "%s is not UTF-8 text", f->name);
		return 2;
	}
	return 1;
}

/* ------------------------------------------------------------------ CSV */

static int
read_header(struct import_file *f, struct err *e)
{
	int got = csv_next(&f->csv_text, &f->csv_row, e);

	if (got != 1)
		return got;
	for (size_t i = 0; i < f->csv_row.count; i++) {
		const char *name = csv_text(&f->csv_row, i);

		if (name == NULL || strlen(name) > RECORD_NAME_MAX)
			return err_set(e, ERR_INVALID,
			    "line %zu: column %zu has no usable name",
			    f->csv_row.line, i + 1);
		(void)strcpy(f->header[i].name, name);
	}
	f->header_count = f->csv_row.count;
	return 1;
}

static int
next_csv(struct import_file *f, struct record *r, struct err *e)
{
	struct csv_row *row = &f->csv_row;
	int got = csv_next(&f->csv_text, row, e);

	if (got != 1)
		return got;
	record_begin(r, row->line);
	if (row->count != f->header_count) {
		err_set(e, ERR_INVALID, "%zu fields, but the header has %zu",
		    row->count, f->header_count);
		return 2;
	}
	for (size_t i = 0; i < row->count; i++) {
		(void)memcpy(r->fields[r->count].name, f->header[i].name,
		    sizeof(r->fields[0].name));
		record_value(r, csv_text(row, i), row->fields[i].len);
	}
	return record_end(r, e);
}

/* ----------------------------------------------------------------- JSON */

/* A member as text: strings as they are, all else as JSON. */
static void
add_member(struct record *r, struct json_object *o, const char *name,
    struct buf *space)
{
	struct json_out j;
	const char *s;
	size_t len;

	if (r->count == RECORD_FIELDS_MAX || strlen(name) > RECORD_NAME_MAX)
		return; /* no column of ours */
	(void)strcpy(r->fields[r->count].name, name);
	switch (json_get_string(o, name, &s, &len)) {
	case JSON_MISSING:
		record_value(r, NULL, 0);
		return;
	case JSON_FOUND:
		record_value(r, s, len);
		return;
	case JSON_MISTYPED:
		break;
	}
	buf_reset(space);
	json_start(&j, space);
	json_value(&j, json_member(o, name));
	if (!buf_ok(space))
		r->text.failed = true;
	record_value(r, space->data, space->len);
}

static int
next_json(struct import_file *f, struct record *r, struct err *e)
{
	struct buf space = BUF(CSV_ROW_BYTES_MAX);
	struct json_object *o = NULL;
	struct json_item item;
	const char *name;
	int got = json_items_next(&f->items, &item, e);

	if (got != 1)
		return got;
	record_begin(r, item.line);
	if (json_read(&o, item.text, item.len, e) == -1 || !json_is_object(o)) {
		if (e->kind == ERR_NONE)
			err_set(e, ERR_INVALID, "the entry is no object");
		json_free(o);
		return 2;
	}
	for (size_t i = 0; (name = json_member_name(o, i)) != NULL; i++)
		add_member(r, o, name, &space);
	/* The old file has the id in front of the entry only. */
	if (item.key != NULL && record_get(r, "id") == NULL &&
	    item.key_len <= RECORD_NAME_MAX && r->count < RECORD_FIELDS_MAX) {
		(void)strcpy(r->fields[r->count].name, "id");
		record_value(r, item.key, item.key_len);
	}
	json_free(o);
	buf_clear(&space);
	return record_end(r, e);
}

/* A member "users", "projects" or "tasks" that holds the rows. */
static int
unwrap(struct import_file *f, struct err *e)
{
	struct json_items look = f->items;
	struct json_item item;
	struct err ignored = { 0 };

	while (look.object && json_items_next(&look, &item, &ignored) == 1) {
		static const char *const wraps[] = { "users", "projects",
			"tasks" };

		if (item.text[0] != '{' && item.text[0] != '[')
			continue;
		for (size_t i = 0; i < 3; i++)
			if (strlen(wraps[i]) == item.key_len &&
			    memcmp(wraps[i], item.key, item.key_len) == 0)
				return json_items_open(&f->items, item.text,
				    item.len, item.line, e);
	}
	return 0;
}

/* ----------------------------------------------------------------- both */

/* Whose columns these are. */
static enum import_kind
kind_of(const struct record *r)
{
	if (record_has(r, "prompt") || record_has(r, "chat_messages") ||
	    record_has(r, "target_branch") || record_has(r, "git_patch"))
		return record_has(r, "user_id") ? IMPORT_TASK : IMPORT_BACKUP;
	if (record_has(r, "repo_owner") && record_has(r, "name"))
		return IMPORT_PROJECT;
	if (record_has(r, "email") && !record_has(r, "user_id"))
		return IMPORT_USER;
	return IMPORT_KIND_N;
}

static int
map_file(struct import_file *f, const char *path, struct err *e)
{
	struct stat st;
	int rc = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return err_sys(e, ERR_INVALID, "%s", path);
	if (fstat(fd, &st) == -1) {
		err_sys(e, ERR_INVALID, "%s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INVALID, "%s is no ordinary file", path);
		goto out;
	}
	f->len = (size_t)st.st_size;
	if (f->len > 0) {
		f->map = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (f->map == MAP_FAILED) {
			f->map = NULL;
			err_sys(e, ERR_RETRY, "%s", path);
			goto out;
		}
	}
	rc = 0;
out:
	(void)close(fd);
	return rc;
}

static bool
looks_like_json(const struct import_file *f)
{
	size_t i = 0;

	if (f->len >= 3 && memcmp(f->map, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	while (i < f->len && strchr(" \t\r\n", f->map[i]) != NULL &&
	    f->map[i] != '\0')
		i++;
	return i < f->len && (f->map[i] == '{' || f->map[i] == '[');
}

static int
begin(struct import_file *f, struct err *e)
{
	if (!f->csv) {
		if (json_items_open(&f->items, f->map, f->len, 1, e) == -1)
			return -1;
		return unwrap(f, e);
	}
	csv_open(&f->csv_text, f->map, f->len);
	return read_header(f, e) == -1 ? -1 : 0;
}

/* By its first usable row; then back to the beginning. */
static int
classify(struct import_file *f, struct err *e)
{
	struct record r = { 0 };
	struct err why = { 0 };
	int got, rc = -1;

	f->kind = IMPORT_KIND_N;
	while ((got = import_file_next(f, &r, &why)) == 2)
		why.kind = ERR_NONE;
	if (got == 1 && (f->kind = kind_of(&r)) == IMPORT_KIND_N) {
		err_set(e, ERR_INVALID,
		    "%s: its columns are not those of users, projects or tasks",
		    f->name);
		goto out;
	}
	if (got == -1) {
		*e = why;
		err_wrap(e, "%s", f->name);
		goto out;
	}
	rc = begin(f, e);
out:
	record_clear(&r);
	return rc;
}

int
import_file_open(struct import_file *f, const char *path, struct err *e)
{
	memset(f, 0, sizeof(*f));
	f->name = path;
	if (map_file(f, path, e) == -1)
		return -1;
	f->kind = IMPORT_KIND_N;
	if (f->len == 0)
		return 0;
	f->csv = !looks_like_json(f);
	if (begin(f, e) == -1) {
		err_wrap(e, "%s", path);
		return -1;
	}
	return classify(f, e);
}

int
import_file_next(struct import_file *f, struct record *r, struct err *e)
{
	if (f->len == 0)
		return 0;
	return f->csv ? next_csv(f, r, e) : next_json(f, r, e);
}

void
import_file_close(struct import_file *f)
{
	csv_row_clear(&f->csv_row);
	if (f->map != NULL)
		(void)munmap(f->map, f->len);
	memset(f, 0, sizeof(*f));
}

const char *
import_file_unknown_column(const struct record *r, size_t i)
{
	static const char *const known[] = { "id", "user_id", "email",
		"full_name", "avatar_url", "github_username", "preferences",
		"created_at", "updated_at", "is_test_user", "expires_at",
		"repo_url", "repo_name", "repo_owner", "name", "description",
		"is_active", "settings", "is_test_data", "project_id", "status",
		"agent", "model", "target_branch", "branch", "pr_branch",
		"container_id", "commit_hash", "pr_number", "pr_url",
		"git_diff", "git_patch", "changed_files", "error", "prompt",
		"chat_messages", "execution_metadata", "started_at",
		"completed_at" };

	for (size_t k = 0; k < r->count; k++) {
		bool is_known = false;

		for (size_t n = 0; n < sizeof(known) / sizeof(known[0]); n++)
			is_known |= strcmp(known[n], r->fields[k].name) == 0;
		if (!is_known && i-- == 0)
			return r->fields[k].name;
	}
	return NULL;
}
