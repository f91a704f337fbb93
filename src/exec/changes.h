#ifndef EXEC_CHANGES_H
#define EXEC_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * changes: reads git's list of changed files ("diff-tree -r -z --raw -M") and
 * the texts that belong to it ("cat-file --batch"). Both come out of a
 * sandbox: every count and length is checked. Pure.
 */
#define CHANGES_ID_MAX 64

struct change {
	unsigned int old_mode, new_mode; /* as git has them, 0100644 */
	char old_id[CHANGES_ID_MAX + 1], new_id[CHANGES_ID_MAX + 1];
	char status;          /* 'A', 'D', 'M', 'T', 'R', 'C' */
	const char *path;     /* borrowed from the text read */
	const char *old_path; /* of a rename or copy; else as path */
};

struct changes {
	struct change *list;
	size_t count;
};

/*
 * raw must outlive c. ERR_INVALID: more than most. ERR_BROKEN: not such a
 * list, or a path that leads out of the tree.
 */
int changes_read(struct changes *c, const struct buf *raw, size_t most,
    struct err *e) MUST_CHECK;
void changes_clear(struct changes *c); /* takes a zeroed struct */

/* A folder with a repository of its own came in: its files are lost (R2). */
bool change_is_nested(const struct change *c);

/*
 * It is about submodules alone, which the patch does not have
 * (diff.ignoreSubmodules=all).
 */
bool change_is_ignored(const struct change *c);

/* Appends the JSON array of paths in the patch, made valid UTF-8. */
void changes_paths(const struct changes *c, struct buf *out);

/*
 * Appends the JSON array [{"filename","before","after"}...] of contract 8.2:
 * text files whose texts are among blobs, at most files of them, until the
 * array has max_bytes.
 */
void changes_texts(const struct changes *c, const struct buf *blobs,
    size_t files, size_t max_bytes, struct buf *out);

#endif
