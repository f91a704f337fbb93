/* The reading half of spool/spool.h: the result. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "spool/writer.h"
#include "util/file.h"
#include "util/json.h"
#include "util/utf8.h"

#define NAME_MAX_LEN 40
#define ID_MAX_LEN 255

void
spool_result_clear(struct spool_result *r)
{
	free(r->outcome);
	free(r->failure);
	free(r->error);
	free(r->commit_hash);
	free(r->sandbox_id);
	free(r->message);
	free(r->changed_files);
	free(r->diff);
	free(r->patch);
	free(r->metadata);
	*r = (struct spool_result){ 0 };
}

static bool
is_outcome(const char *s)
{
	return strcmp(s, "completed") == 0 || strcmp(s, "failed") == 0 ||
	    strcmp(s, "cancelled") == 0 || strcmp(s, SPOOL_DEFERRED) == 0;
}

static bool
is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && n <= NAME_MAX_LEN && s[n] == '\0';
}

/* SHA-1 or SHA-256, as git prints it. */
static bool
is_hash(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return (n == 40 || n == 64) && s[n] == '\0';
}

static bool
is_id(const char *s)
{
	size_t n = 0;

	for (; s[n] != '\0'; n++) {
		if (!isgraph((unsigned char)s[n]))
			return false;
	}
	return n > 0 && n <= ID_MAX_LEN;
}

static bool
is_text(const char *s)
{
	(void)s; /* json_read() has seen to it that it is valid UTF-8 */
	return true;
}

/* Copies member name, which must pass valid(); absent is fine. */
static int
read_text(struct json_object *o, const char *name, bool (*valid)(const char *),
    char **out, struct err *e)
{
	const char *s;
	size_t len;

	switch (json_get_string(o, name, &s, &len)) {
	case JSON_MISSING:
		return 0;
	case JSON_MISTYPED:
		return err_set(e, ERR_BROKEN, "result: %s is not a string",
		    name);
	case JSON_FOUND:
		break;
	}
	if (!valid(s))
		return err_set(e, ERR_BROKEN, "result: %s is not valid", name);
	if ((*out = strdup(s)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	return 0;
}

/* The array of names, written anew: strings and nothing else. */
static int
read_files(struct json_object *o, size_t max, char **out, struct err *e)
{
	struct json_object *a;
	struct buf text = BUF(max);
	struct json_out j;
	const char *s;

	switch (json_get_array(o, "changed_files", &a)) {
	case JSON_MISSING:
		return 0;
	case JSON_MISTYPED:
		return err_set(e, ERR_BROKEN, "result: no array of files");
	case JSON_FOUND:
		break;
	}
	json_start(&j, &text);
	json_open_array(&j);
	for (size_t i = 0; i < json_array_size(a); i++) {
		if ((s = json_array_string(a, i)) == NULL) {
			buf_clear(&text);
			return err_set(e, ERR_BROKEN,
			    "result: a file name is not a string");
		}
		json_text(&j, s);
	}
	json_close_array(&j);
	if (!buf_ok(&text)) {
		buf_clear(&text);
		return err_set(e, ERR_RETRY, "out of memory for file names");
	}
	*out = text.data;
	return 0;
}

struct bulk {
	const char *file;
	const char *size_name; /* member of result.json */
	size_t max;
	bool text;
};

/* Reads a bulk file of exactly the size that the result names. */
static int
read_bulk(int dirfd, struct json_object *o, const struct bulk *b, char **out,
    size_t *len, struct err *e)
{
	struct buf bytes = BUF(b->max);
	int64_t size;

	switch (json_get_int(o, b->size_name, &size)) {
	case JSON_MISSING:
		return 0;
	case JSON_MISTYPED:
		return err_set(e, ERR_BROKEN, "result: %s is no number",
		    b->size_name);
	case JSON_FOUND:
		break;
	}
	if (size < 0 || (uint64_t)size > b->max)
		return err_set(e, ERR_BROKEN, "result: %s is too large",
		    b->size_name);
	if (file_read_beneath(dirfd, b->file, &bytes, e) == -1) {
		if (e->kind == ERR_ABSENT || e->kind == ERR_INVALID)
			e->kind = ERR_BROKEN;
		buf_clear(&bytes);
		return err_wrap(e, "result");
	}
	buf_add(&bytes, "", 0);
	if (bytes.len != (size_t)size ||
	    (b->text && !utf8_valid(bytes.data, bytes.len))) {
		buf_clear(&bytes);
		return err_set(e, ERR_BROKEN, "result: %s is not as announced",
		    b->file);
	}
	*len = bytes.len;
	/* An empty file leaves no memory behind, but is not absent. */
	*out = bytes.data != NULL ? bytes.data : strdup("");
	if (*out == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	return 0;
}

static int
read_bulks(int dirfd, struct json_object *o,
    const struct spool_result_limits *limits, struct spool_result *r,
    struct err *e)
{
	/* The diff holds what the patch holds, binary files aside. */
	const struct bulk diff = { "diff", "diff_bytes", limits->patch_max * 2,
		true };
	const struct bulk patch = { "patch", "patch_bytes", limits->patch_max,
		false };
	const struct bulk metadata = { "metadata.json", "metadata_bytes",
		limits->small_max, true };
	size_t len = 0;

	if (read_bulk(dirfd, o, &diff, &r->diff, &r->diff_len, e) == -1 ||
	    read_bulk(dirfd, o, &patch, &r->patch, &r->patch_len, e) == -1 ||
	    read_bulk(dirfd, o, &metadata, &r->metadata, &len, e) == -1)
		return -1;
	if (r->metadata != NULL &&
	    (r->metadata[0] != '{' || json_scan(r->metadata, len, e) == -1))
		return err_set(e, ERR_BROKEN,
		    "result: metadata is not a JSON object");
	return 0;
}

static int
read_members(struct json_object *o, size_t small_max, struct spool_result *r,
    struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, ERR_BROKEN, "result: not an object");
	if (read_text(o, "outcome", is_outcome, &r->outcome, e) == -1 ||
	    read_text(o, "failure", is_name, &r->failure, e) == -1 ||
	    read_text(o, "error", is_text, &r->error, e) == -1 ||
	    read_text(o, "commit_hash", is_hash, &r->commit_hash, e) == -1 ||
	    read_text(o, "sandbox_id", is_id, &r->sandbox_id, e) == -1 ||
	    read_text(o, "message", is_text, &r->message, e) == -1 ||
	    read_files(o, small_max, &r->changed_files, e) == -1)
		return -1;
	if (r->outcome == NULL)
		return err_set(e, ERR_BROKEN, "result: no outcome");
	return 0;
}

int
spool_result_read(int dirfd, const struct spool_result_limits *limits,
    struct spool_result *r, struct err *e)
{
	struct buf text = BUF(limits->small_max);
	struct json_object *o = NULL;
	int rc = -1;

	*r = (struct spool_result){ 0 };
	if (file_read_beneath(dirfd, SPOOL_RESULT, &text, e) == -1) {
		if (e->kind == ERR_INVALID)
			e->kind = ERR_BROKEN;
		goto out;
	}
	if (json_read(&o, text.data == NULL ? "" : text.data, text.len, e) ==
	    -1) {
		e->kind = e->kind == ERR_INVALID ? ERR_BROKEN : e->kind;
		(void)err_wrap(e, "result");
		goto out;
	}
	buf_clear(&text);
	if (read_members(o, limits->small_max, r, e) == -1 ||
	    read_bulks(dirfd, o, limits, r, e) == -1)
		goto out;
	rc = 0;
out:
	if (rc == -1)
		spool_result_clear(r);
	json_free(o);
	buf_clear(&text);
	return rc;
}
