/* Secrets in the files of a patch. */
#include "exec/patch_secrets.h"

#include <stdlib.h>
#include <string.h>

#include "exec/blob_scan.h"

#define ERRORS_MAX ((size_t)2 * 1024)
#define IDS_MAX ((size_t)32 * 1024 * 1024)
#define PIECE ((size_t)64 * 1024)
#define SCRATCH_MAX ((size_t)16 * 1024 * 1024)

/* True if there is such a blob: a file that comes or goes has none. */
static bool
is_there(const char *id)
{
	return id[strspn(id, "0")] != '\0';
}

/* Names the blobs of the files, old and new; returns how many they are. */
static size_t
put_ids(const struct patch_files *f, struct buf *ids)
{
	size_t count = 0;

	for (size_t i = 0; i < f->count; i++) {
		const char *const both[] = { f->list[i].old_id,
			f->list[i].new_id };

		for (size_t k = 0; k < 2; k++) {
			if (!is_there(both[k]))
				continue;
			buf_addf(ids, "%s\n", both[k]);
			count++;
		}
	}
	return count;
}

/* What was found of the blobs, said of their files. */
static void
mark(struct patch_files *f, const bool *secret)
{
	size_t at = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct patch_file *file = &f->list[i];

		if (is_there(file->old_id))
			file->secret = secret[at++];
		if (is_there(file->new_id) && secret[at++])
			file->secret = true;
	}
}

static void
hear(void *ctx, const char *bytes, size_t len)
{
	blob_scan_feed(ctx, bytes, len);
}

static int
run_scan(struct pipeline *p, struct blob_scan *scan, struct err *e)
{
	static const char *const env[] = { "TASKMILL_CONTROL=" SANDBOX_CONTROL,
		NULL };
	struct buf errors = BUF(ERRORS_MAX);
	const struct script script = { .name = "blobs.sh",
		.env = env,
		.limit_s = (unsigned int)p->spec->command_limit_s,
		.what = "Searching the changes for secrets",
		.setting = "COMMAND_TIMEOUT_S",
		.errors = &errors,
		.output = hear,
		.ctx = scan };
	int code = 0, rc = -1;

	if (pipeline_put_shared(p, script.name, e) == -1)
		rc = pipeline_sandbox_error(p, e);
	else if (pipeline_script(p, &script, &code, e) == 0)
		rc = 0;
	/* What was not searched could have a secret. */
	if (rc == 0 && !p->over && (code != 0 || blob_scan_end(scan, e) == -1))
		rc = pipeline_fail(p, "internal", e,
		    "The changes could not be searched for secrets: %s",
		    errors.len > 0 ? errors.data : "git failed");
	buf_clear(&errors);
	return rc;
}

int
patch_find_secrets(struct pipeline *p, struct patch_files *f, struct err *e)
{
	struct buf ids = BUF(IDS_MAX);
	struct blob_scan scan = { 0 };
	size_t count = put_ids(f, &ids);
	bool *secret = calloc(count + 1, sizeof(*secret));
	int rc = -1;

	if (secret == NULL || !buf_ok(&ids)) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (count == 0) {
		rc = 0;
		goto out;
	}
	if (sandbox_put(p->sb, SANDBOX_CONTROL "/ids", ids.data, ids.len, 0600,
		e) == -1) {
		rc = pipeline_sandbox_error(p, e);
		goto out;
	}
	if (blob_scan_open(&scan, p->redact, secret, count, e) == -1 ||
	    run_scan(p, &scan, e) == -1)
		goto out;
	if (!p->over)
		mark(f, secret);
	rc = 0;
out:
	blob_scan_close(&scan);
	free(secret);
	buf_clear(&ids);
	return rc;
}

int
patch_warn(struct pipeline *p, const char *patch, size_t len, struct err *e)
{
	struct buf scratch = BUF(SCRATCH_MAX);
	struct redact_stream *stream;
	size_t found;

	if (redact_stream_new(&stream, p->redact, e) == -1)
		return -1;
	for (size_t n; len > 0; patch += n, len -= n) {
		n = len < PIECE ? len : PIECE;
		redact_feed(stream, &scratch, patch, n);
		buf_reset(&scratch);
	}
	redact_flush(stream, &scratch);
	found = redact_stream_found(stream);
	redact_stream_free(stream);
	buf_wipe(&scratch);
	if (found == 0)
		return 0;
	return spool_note(p->spool, "warning",
	    "The changes have a secret of this task in them, which was taken "
	    "out: the patch may not apply.",
	    e);
}
