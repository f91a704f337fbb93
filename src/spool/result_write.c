/* spool_finish(): the result on its way out. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "spool/writer.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/json.h"

#define SMALL_MAX ((size_t)16 * 1024 * 1024)
#define METADATA_MAX ((size_t)64 * 1024 * 1024)
#define BULK_OUT_MAX (6 * GATE_PIECE)

/* Passes bytes through the gate into fd, piece by piece. */
static int
pump(int fd, struct gate *g, const char *bytes, size_t len, int64_t *written,
    struct err *e)
{
	struct buf out = BUF(BULK_OUT_MAX);
	bool more = true;
	int rc = -1;

	while (more) {
		size_t n = len < GATE_PIECE ? len : GATE_PIECE;

		more = n > 0;
		if ((more ? gate_feed(g, &out, bytes, n, e)
			  : gate_end(g, &out, e)) == -1)
			goto out;
		if (out.len > 0 && fd_write_all(fd, out.data, out.len, e) == -1)
			goto out;
		*written += (int64_t)out.len;
		buf_reset(&out);
		if (more) {
			bytes += n;
			len -= n;
		}
	}
	rc = 0;
out:
	buf_clear(&out);
	return rc;
}

static int
open_bulk(const struct spool_writer *w, const char *name, struct err *e)
{
	int fd = openat(w->dirfd, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd != -1 ? fd : err_sys(e, ERR_RETRY, "write %s", name);
}

/*
 * Writes one bulk file down to the disk. bytes NULL: no file, *written is -1.
 * No rename is needed here: nobody looks before result.json is there.
 */
static int
write_bulk(struct spool_writer *w, const char *name, bool text,
    const char *bytes, size_t len, int64_t *written, struct err *e)
{
	struct gate g = { 0 };
	int fd = -1, rc = -1;

	*written = -1;
	if (bytes == NULL)
		return 0;
	if ((fd = open_bulk(w, name, e)) == -1)
		return -1;
	*written = 0;
	if (gate_open(&g, w->redact, text, e) == -1)
		goto out;
	if (pump(fd, &g, bytes, len, written, e) == -1) {
		(void)err_wrap(e, "write %s", name);
		goto out;
	}
	if (fsync(fd) == -1) {
		(void)err_sys(e, ERR_RETRY, "fsync %s", name);
		goto out;
	}
	rc = 0;
out:
	gate_close(&g);
	(void)close(fd);
	return rc;
}

/* The metadata, a document, goes through its own gate. */
static int
write_metadata(struct spool_writer *w, const char *json, int64_t *written,
    struct err *e)
{
	struct buf out = BUF(METADATA_MAX);
	int fd = -1, rc = -1;

	*written = -1;
	if (json == NULL)
		return 0;
	gate_json(w->redact, &out, json, strlen(json));
	if (!buf_ok(&out)) {
		(void)err_set(e, ERR_BROKEN,
		    "the metadata are no JSON, or larger than %zu",
		    METADATA_MAX);
		goto out;
	}
	if ((fd = open_bulk(w, "metadata.json", e)) == -1)
		goto out;
	if (fd_write_all(fd, out.data, out.len, e) == -1) {
		(void)err_wrap(e, "write metadata.json");
		goto out;
	}
	if (fsync(fd) == -1) {
		(void)err_sys(e, ERR_RETRY, "fsync metadata.json");
		goto out;
	}
	*written = (int64_t)out.len;
	rc = 0;
out:
	if (fd != -1)
		(void)close(fd);
	buf_clear(&out);
	return rc;
}

/* "name":"text", redacted and valid, or null. */
static void
put_text(struct json_out *j, const struct redact *redact, const char *name,
    const char *text)
{
	struct buf clean = BUF(SMALL_MAX);

	if (text == NULL) {
		json_name_null(j, name);
		return;
	}
	gate_text(redact, &clean, text, SMALL_MAX / 4);
	json_name_string(j, name, clean.data == NULL ? "" : clean.data,
	    clean.len);
	if (!buf_ok(&clean))
		j->to->failed = true;
	buf_clear(&clean);
}

static void
put_size(struct json_out *j, const char *name, int64_t size)
{
	if (size == -1)
		json_name_null(j, name);
	else
		json_name_int(j, name, size);
}

struct bulk_sizes {
	int64_t diff, patch, metadata;
};

static void
put_result(struct buf *out, const struct redact *redact,
    const struct spool_result *r, const struct bulk_sizes *sizes)
{
	struct json_out j;

	json_start(&j, out);
	json_open(&j);
	json_name_int(&j, "version", 1);
	json_name_text(&j, "outcome", r->outcome);
	json_name_text(&j, "failure", r->failure);
	put_text(&j, redact, "error", r->error);
	json_name_text(&j, "commit_hash", r->commit_hash);
	put_text(&j, redact, "sandbox_id", r->sandbox_id);
	put_text(&j, redact, "message", r->message);
	json_name(&j, "changed_files");
	if (r->changed_files == NULL) {
		json_null(&j);
	} else {
		gate_json(redact, out, r->changed_files,
		    strlen(r->changed_files));
		j.comma = true;
	}
	put_size(&j, "diff_bytes", sizes->diff);
	put_size(&j, "patch_bytes", sizes->patch);
	put_size(&j, "metadata_bytes", sizes->metadata);
	json_close(&j);
	buf_putc(out, '\n');
}

/* Everything that result.json speaks of, safe on the disk. */
static int
write_before(struct spool_writer *w, const struct spool_result *r,
    struct bulk_sizes *sizes, struct err *e)
{
	if (spool_output_end(w, e) == -1)
		return -1;
	if (fsync(w->fd) == -1)
		return err_sys(e, ERR_RETRY, "fsync events");
	if (write_bulk(w, "diff", true, r->diff, r->diff_len, &sizes->diff,
		e) == -1 ||
	    write_bulk(w, "patch", false, r->patch, r->patch_len, &sizes->patch,
		e) == -1 ||
	    write_metadata(w, r->metadata, &sizes->metadata, e) == -1)
		return -1;
	return dir_sync(w->dirfd, e);
}

int
spool_finish(struct spool_writer *w, const struct spool_result *r,
    struct err *e)
{
	struct buf out = BUF(SMALL_MAX);
	struct bulk_sizes sizes;
	int rc = -1;

	if (write_before(w, r, &sizes, e) == -1)
		goto out;
	put_result(&out, w->redact, r, &sizes);
	if (!buf_ok(&out)) {
		(void)err_set(e, ERR_BROKEN, "the result is larger than %zu",
		    SMALL_MAX);
		goto out;
	}
	FAULT_POINT("spool.before_rename");
	if (file_replace(w->dirfd, SPOOL_RESULT, out.data, out.len, 0600, e) ==
	    -1)
		goto out;
	FAULT_POINT("spool.after_rename");
	rc = 0;
out:
	buf_clear(&out);
	return rc;
}
