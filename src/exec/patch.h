#ifndef EXEC_PATCH_H
#define EXEC_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "exec/changes.h"
#include "util/buf.h"
#include "util/err.h"

/*
 * patch: finds the files of a patch ("format-patch --binary --full-index")
 * that need care: those that "git am" would change, because a line ends in
 * CR LF or has a NUL, and those that stand in it encoded. A file's name is
 * taken from its own header, since one change may have two headers (a change
 * of type), or none (a submodule that is not looked at). Pure.
 */
struct patch_name {
	const char *text; /* borrowed from the patch, as it stands there */
	size_t len;
	bool quoted;
};

struct patch_file {
	struct patch_name path, old_path;
	char old_id[CHANGES_ID_MAX + 1], new_id[CHANGES_ID_MAX + 1]; /* or "" */
	bool fragile; /* "git am" would change it */
	bool encoded; /* as a binary file */
	bool secret;  /* has one: see patch_secrets.h */
};

struct patch_files {
	struct patch_file *list;
	size_t count;
};

/* patch must outlive *f. ERR_BROKEN: not such a patch. */
int patch_read(struct patch_files *f, const char *patch, size_t len,
    struct err *e) MUST_CHECK;
void patch_clear(struct patch_files *f); /* takes a zeroed struct */

/*
 * Appends lines in git's attributes format: the file is text, or is a binary
 * one, whatever git thinks.
 */
void patch_attribute(struct buf *out, const struct patch_file *f, bool text);

#endif
