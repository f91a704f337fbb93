#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * file: whole files, folders and locks. Every descriptor is close-on-exec.
 * Paths are relative to dirfd as in openat(2); AT_FDCWD is the current folder.
 */

/*
 * Appends a regular file's bytes to out, at most up to out's limit.
 * ERR_ABSENT: no such file. ERR_INVALID: not a regular file, or too large.
 */
int file_read(int dirfd, const char *path, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * file_read() for files in a folder that an attacker can write: never leaves
 * dirfd, follows no symbolic link, waits for no FIFO (B7, openat2).
 */
int file_read_beneath(int dirfd, const char *path, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * Puts bytes where path is, so that after any crash the old or the new
 * contents are there: temporary file, fsync, rename, fsync of the folder.
 * ERR_RETRY: no space; nothing was changed.
 */
int file_replace(int dirfd, const char *path, const void *bytes, size_t len,
    mode_t mode, struct err *e) MUST_CHECK;

/* fsync of a folder, so that names in it survive a power loss. */
int dir_sync(int dirfd, struct err *e) MUST_CHECK;

/* Makes path and its parents, like mkdir -p. An existing folder is fine. */
int dir_make(const char *path, mode_t mode, struct err *e) MUST_CHECK;

/*
 * Removes path and all below it without ever following a link out of it, and
 * whatever its modes are. An absent path is fine. Of any depth and
 * size, with a few descriptors.
 */
int dir_remove(int dirfd, const char *path, struct err *e) MUST_CHECK;

/*
 * Opens (and makes) path and takes an exclusive flock without waiting (P4).
 * Returns the descriptor, which holds the lock as long as any copy of it is
 * open; -2 when somebody else holds it; -1 with *e for a fault.
 */
int file_lock(int dirfd, const char *path, struct err *e) MUST_CHECK;

/*
 * The same with a lock on one byte: the first of count, from first on, that is
 * free. Such a file may be shared by many, is never written to, and must not
 * be removed while it is used.
 */
int file_lock_byte(int dirfd, const char *path, off_t first, off_t count,
    struct err *e) MUST_CHECK;

/* Sets or clears close-on-exec. */
int fd_cloexec(int fd, bool on, struct err *e) MUST_CHECK;

/* Writes all bytes, over interruptions and short writes. */
int fd_write_all(int fd, const void *bytes, size_t len,
    struct err *e) MUST_CHECK;

#endif
