/* What the agent left behind: commit, diff, patch, texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/changes.h"
#include "exec/patch_secrets.h"
#include "exec/pipeline.h"
#include "util/utf8.h"

#define OUT SANDBOX_CONTROL "/out/"
#define ERRORS_MAX ((size_t)2 * 1024)
#define MESSAGE_CHARS 50
#define CODE_UNSTORABLE 4 /* of collect.sh */
#define COMMANDS 4        /* add, commit, diff, patch: each has the limit */

/* Of the side-by-side view (contract 8.2, D14). */
#define TEXT_FILES 200
#define TEXT_MAX 262144
#define TEXTS_MAX ((size_t)4 * 1024 * 1024)
#define BLOBS_MAX ((size_t)16 * 1024 * 1024)

#define RAW_MAX ((size_t)64 * 1024 * 1024)
#define PATHS_MAX ((size_t)2 * 1024 * 1024)

/* "AI: <first 50 characters of the prompt>...", on one line. */
static int
put_message(struct pipeline *p, struct err *e)
{
	struct buf text = BUF(1024);
	const char *prompt = p->spec->prompt;
	size_t n = utf8_prefix(prompt, strlen(prompt), MESSAGE_CHARS);
	int rc;

	buf_puts(&text, "AI: ");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)prompt[i];
		bool blank = c <= 0x20 || c == 0x7f;

		/* One blank for many: mail, and so git am, keeps no more. */
		if (!blank)
			buf_putc(&text, prompt[i]);
		else if (text.data[text.len - 1] != ' ')
			buf_putc(&text, ' ');
	}
	buf_puts(&text, "...\n");
	rc = sandbox_put(p->sb, SANDBOX_CONTROL "/message", text.data, text.len,
	    0600, e);
	buf_clear(&text);
	return rc;
}

/*
 * Runs collect.sh or repatch.sh, of so many commands; its failure ends the run.
 * All that is run here must fit into what config.c leaves for it.
 */
static int
run_script(struct pipeline *p, const char *name, int commands, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	char files[64], blobs[64], blob_max[64];
	const char *const env[] = { "TASKMILL_CONTROL=" SANDBOX_CONTROL, files,
		blobs, blob_max,
		pipeline_in_cloud(p) ? "TASKMILL_EMAIL=ai-assistant@e2b.dev"
				     : "TASKMILL_EMAIL=ai@example.com",
		NULL };
	const struct script script = { .name = name,
		.env = env,
		.limit_s = (unsigned int)(p->spec->command_limit_s * commands),
		.what = "Collecting the changes",
		.setting = "COMMAND_TIMEOUT_S",
		.errors = &errors };
	int code = 0, rc = -1;

	(void)snprintf(files, sizeof(files), "TASKMILL_FILES_MAX=%ld",
	    p->spec->changed_files_max);
	(void)snprintf(blobs, sizeof(blobs), "TASKMILL_BLOBS=%d", TEXT_FILES);
	(void)snprintf(blob_max, sizeof(blob_max), "TASKMILL_BLOB_MAX=%d",
	    TEXT_MAX);
	if (pipeline_put_shared(p, name, e) == -1) {
		rc = pipeline_sandbox_error(p, e);
		goto out;
	}
	if (pipeline_script(p, &script, &code, e) == -1)
		goto out;
	rc = 0;
	if (p->over || code == 0)
		goto out;
	if (code == CODE_UNSTORABLE)
		rc = pipeline_fail(p, "agent_failed", e,
		    "Git cannot store what the agent left, for its "
		    ".gitattributes do not allow it: %.300s",
		    errors.len > 0 ? errors.data : "");
	else if (code == 153 || /* SIGXFSZ */
	    (errors.len > 0 && strstr(errors.data, "File too large") != NULL))
		rc = pipeline_fail(p, "too_large", e,
		    "The agent left a file, or a patch, of more than %ld MiB, "
		    "which is the limit (SANDBOX_FILE_MB).",
		    p->spec->file_mb);
	else
		rc = pipeline_fail(p, "internal", e,
		    "The changes could not be collected: %.300s",
		    errors.len > 0 ? errors.data : "git failed");
out:
	buf_clear(&errors);
	return rc;
}

/*
 * Reads a file of the script's into out, whose limit is most. Too large ends
 * the run, and the text names the setting.
 */
static int
get(struct pipeline *p, const char *path, struct buf *out, const char *what,
    const char *setting, struct err *e)
{
	if (p->over || sandbox_get(p->sb, path, out, e) == 0)
		return 0;
	if (e->kind == ERR_INVALID && setting != NULL)
		return pipeline_fail(p, "too_large", e,
		    "%s has more than %zu bytes, which is the limit (%s).",
		    what, out->max, setting);
	return pipeline_sandbox_error(p, e);
}

/* Takes the bytes of a buffer as a string of the result's. */
static int
take(struct buf *from, char **to, size_t *len, struct err *e)
{
	buf_add(from, "", 0); /* an empty one has no memory */
	if (!buf_ok(from))
		return err_set(e, ERR_RETRY, "out of memory for the result");
	*to = from->data;
	*len = from->len;
	*from = (struct buf)BUF(0);
	return 0;
}

static int
warn_nested(struct pipeline *p, const char *path, struct err *e)
{
	struct buf text = BUF(PATHS_MAX);
	int rc;

	/* All of it: the spool redacts, and cuts after that. */
	buf_addf(&text,
	    "%s is a Git repository of its own: its files are not part of the "
	    "patch.",
	    path);
	rc = buf_ok(&text)
	    ? spool_note(p->spool, "warning", text.data, e)
	    : err_set(e, ERR_RETRY, "out of memory for a warning");
	buf_clear(&text);
	return rc;
}

/* Folders with a .git of their own, with and without a commit (R2). */
static int
report_nested(struct pipeline *p, const struct changes *c, struct err *e)
{
	struct buf text = BUF(ERRORS_MAX);
	struct err ignored = { 0 };
	int rc = 0;

	for (size_t i = 0; i < c->count && rc == 0; i++) {
		if (change_is_nested(&c->list[i]))
			rc = warn_nested(p, c->list[i].path, e);
	}
	if (rc == 0 && sandbox_get(p->sb, OUT "nested", &text, &ignored) == 0 &&
	    text.len > 0)
		rc = spool_note(p->spool, "warning", text.data, e);
	buf_clear(&text);
	return rc;
}

/* Writes the patch again, with attributes that say how files stand in it. */
static int
remake_patch(struct pipeline *p, const struct buf *attributes,
    struct buf *patch, struct err *e)
{
	if (!buf_ok(attributes))
		return err_set(e, ERR_RETRY, "out of memory");
	if (sandbox_put(p->sb, SANDBOX_CONTROL "/attributes", attributes->data,
		attributes->len, 0600, e) == -1)
		return pipeline_sandbox_error(p, e);
	if (run_script(p, "repatch.sh", 1, e) == -1)
		return -1;
	buf_clear(patch);
	return get(p, OUT "repatched", patch, "The patch", "PATCH_MAX_BYTES",
	    e);
}

/*
 * How the files stand in the patch that need care: those with a secret as text,
 * where the redactor sees it, and those that "git am" would change encoded.
 */
static void
put_attributes(const struct patch_files *f, struct buf *out)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct patch_file *file = &f->list[i];

		if (file->secret || file->fragile)
			patch_attribute(out, file, file->secret);
	}
}

static int
protect_patch(struct pipeline *p, struct buf *patch, struct err *e)
{
	struct buf attributes = BUF(PATHS_MAX * 4);
	struct patch_files files;
	int rc = -1;

	if (p->over || patch->len == 0)
		return 0;
	if (patch_read(&files, patch->data, patch->len, e) == -1)
		return pipeline_sandbox_error(p, e);
	if (patch_find_secrets(p, &files, e) == -1)
		goto out;
	rc = 0;
	if (!p->over)
		put_attributes(&files, &attributes);
	if (attributes.len > 0 || !buf_ok(&attributes))
		rc = remake_patch(p, &attributes, patch, e);
	if (rc == 0 && !p->over && patch->len > 0)
		rc = patch_warn(p, patch->data, patch->len, e);
out:
	patch_clear(&files);
	buf_clear(&attributes);
	return rc;
}

static int
take_patch(struct pipeline *p, struct err *e)
{
	size_t most = (size_t)p->spec->patch_max_bytes;
	struct buf patch = BUF(most), diff = BUF(most);
	int rc = -1;

	if (get(p, OUT "patch", &patch, "The patch", "PATCH_MAX_BYTES", e) ==
		-1 ||
	    protect_patch(p, &patch, e) == -1 ||
	    get(p, OUT "diff", &diff, "The diff", "PATCH_MAX_BYTES", e) == -1)
		goto out;
	rc = 0;
	if (!p->over &&
	    (take(&patch, &p->result->patch, &p->result->patch_len, e) == -1 ||
		take(&diff, &p->result->diff, &p->result->diff_len, e) == -1))
		rc = -1;
out:
	buf_clear(&patch);
	buf_clear(&diff);
	return rc;
}

static int
take_texts(struct pipeline *p, const struct changes *c, struct err *e)
{
	struct buf blobs = BUF(BLOBS_MAX);

	p->texts = (struct buf)BUF(TEXTS_MAX + 4096);
	/* A view for people: without it the result is still whole. */
	if (sandbox_get(p->sb, OUT "blobs", &blobs, e) == 0)
		changes_texts(c, &blobs, TEXT_FILES, TEXTS_MAX, &p->texts);
	buf_clear(&blobs);
	return 0;
}

static int
take_paths(struct pipeline *p, const struct changes *c, struct err *e)
{
	struct buf paths = BUF(PATHS_MAX);
	size_t len;

	changes_paths(c, &paths);
	if (!buf_ok(&paths)) {
		buf_clear(&paths);
		return pipeline_fail(p, "too_large", e,
		    "The names of the changed files take more than %zu bytes; "
		    "CHANGED_FILES_MAX should be lower than this.",
		    PATHS_MAX);
	}
	return take(&paths, &p->result->changed_files, &len, e);
}

static int
fail_many(struct pipeline *p, struct err *e)
{
	return pipeline_fail(p, "too_large", e,
	    "More than %ld files changed, which is the limit "
	    "(CHANGED_FILES_MAX).",
	    p->spec->changed_files_max);
}

static int
take_changes(struct pipeline *p, struct err *e)
{
	struct buf raw = BUF(RAW_MAX), commit = BUF(80);
	struct changes c = { 0 };
	size_t len;
	int rc = -1;

	if (get(p, OUT "raw", &raw, "The list of changes", "CHANGED_FILES_MAX",
		e) == -1)
		goto out;
	if (changes_read(&c, &raw, (size_t)p->spec->changed_files_max, e) ==
	    -1) {
		rc = e->kind == ERR_INVALID ? fail_many(p, e)
					    : pipeline_sandbox_error(p, e);
		goto out;
	}
	if (report_nested(p, &c, e) == -1 || take_patch(p, e) == -1)
		goto out;
	if (!p->over && take_paths(p, &c, e) == -1)
		goto out;
	if (!p->over && take_texts(p, &c, e) == -1)
		goto out;
	if (get(p, OUT "commit", &commit, "The commit", NULL, e) == -1)
		goto out;
	rc = 0;
	if (!p->over && commit.len > 0) {
		commit.data[strcspn(commit.data, "\n")] = '\0';
		rc = take(&commit, &p->result->commit_hash, &len, e);
	}
out:
	changes_clear(&c);
	buf_clear(&raw);
	buf_clear(&commit);
	return rc;
}

/* Nothing changed: a result with nothing in it, which is a success. */
static int
take_nothing(struct pipeline *p, struct err *e)
{
	struct buf raw = BUF(RAW_MAX), diff = BUF(8), patch = BUF(8);
	struct err ignored = { 0 };
	struct changes c = { 0 };
	size_t len;
	int rc = -1;

	/* It is there when only submodules are in it. */
	if (sandbox_get(p->sb, OUT "raw", &raw, &ignored) == 0 &&
	    changes_read(&c, &raw, (size_t)p->spec->changed_files_max, e) ==
		-1) {
		rc = e->kind == ERR_INVALID ? fail_many(p, e)
					    : pipeline_sandbox_error(p, e);
		goto out;
	}
	if (report_nested(p, &c, e) == 0 &&
	    take(&diff, &p->result->diff, &len, e) == 0 &&
	    take(&patch, &p->result->patch, &len, e) == 0)
		rc = take_paths(p, &c, e);
out:
	changes_clear(&c);
	buf_clear(&raw);
	buf_clear(&diff);
	buf_clear(&patch);
	return rc;
}

int
step_collect(struct pipeline *p, struct err *e)
{
	struct buf state = BUF(32);
	int rc = -1;

	if (put_message(p, e) == -1)
		return pipeline_sandbox_error(p, e);
	if (run_script(p, "collect.sh", COMMANDS, e) == -1)
		return -1;
	if (get(p, OUT "state", &state, "The state", NULL, e) == -1)
		goto out;
	rc = 0;
	if (p->over)
		goto out;
	buf_add(&state, "", 0);
	if (!buf_ok(&state) || state.len == 0)
		rc = pipeline_fail(p, "internal", e,
		    "The changes could not be collected.");
	else if (strcmp(state.data, "same\n") == 0)
		rc = take_nothing(p, e);
	else if (strcmp(state.data, "many\n") == 0)
		rc = fail_many(p, e);
	else if (strcmp(state.data, "changed\n") == 0)
		rc = take_changes(p, e);
	else
		rc = pipeline_fail(p, "agent_failed", e,
		    "The agent replaced the repository's folder by something "
		    "else.");
out:
	buf_clear(&state);
	return rc;
}
