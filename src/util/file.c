#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/encode.h"

#define PIECE 65536
#define TRIES 16 /* for races that a stranger can cause, but not for ever */
#define RANDOM_BYTES 8

/* O_NONBLOCK so that a FIFO or a device cannot hold us (B7). */
#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* The kind of a failed open, by errno. */
static enum err_kind
open_kind(void)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return ERR_ABSENT;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ELOOP: /* a symbolic link */
	case EXDEV: /* it leads out of the folder */
	case ENXIO: /* a socket, or a device without driver */
	case EINVAL:
	case ENAMETOOLONG:
	case EISDIR:
		return ERR_INVALID;
	default:
		return ERR_RETRY;
	}
}

/* The kind of a failed write, fsync or rename, by errno. */
static enum err_kind
write_kind(void)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EAGAIN:
	case EIO:
	case EPIPE:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return ERR_RETRY;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOENT:
	case ENOTDIR:
		return ERR_ABSENT;
	default:
		return ERR_BROKEN;
	}
}

/*
 * Reads at most room bytes, and n of them where the file is larger than that.
 * -1 with errno; 0 at the end.
 */
static ssize_t
read_piece(int fd, struct buf *out, size_t room)
{
	size_t want = room < PIECE ? room : PIECE;
	char *to;
	ssize_t n;

	if ((to = buf_reserve(out, want)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do
		n = read(fd, to, want);
	while (n == -1 && errno == EINTR);
	if (n > 0)
		out->len += (size_t)n;
	if (out->data != NULL)
		out->data[out->len] = '\0';
	return n;
}

/* True if fd has one byte more to read. */
static bool
has_more(int fd)
{
	char c;
	ssize_t n;

	do
		n = read(fd, &c, 1);
	while (n == -1 && errno == EINTR);
	return n == 1;
}

/* Appends all of the regular file fd; path is for the error's text. */
static int
read_regular(int fd, const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return err_sys(e, ERR_BROKEN, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is not a regular file",
		    path);
	if (st.st_size > 0 && (uint64_t)st.st_size > out->max - out->len)
		return err_set(e, ERR_INVALID, "%s is larger than %zu bytes",
		    path, out->max - out->len);
	/* Not by st_size alone: it is 0 in /proc, and a file may grow. */
	while (out->len < out->max) {
		if ((n = read_piece(fd, out, out->max - out->len)) == -1)
			return err_sys(e, ERR_RETRY, "read %s", path);
		if (n == 0)
			return 0;
	}
	if (has_more(fd))
		return err_set(e, ERR_INVALID, "%s is larger than %zu bytes",
		    path, out->max);
	return 0;
}

/* Reads fd, which it closes; on failure out has its old length. */
static int
read_and_close(int fd, const char *path, struct buf *out, struct err *e)
{
	size_t before = out->len;
	int rc = read_regular(fd, path, out, e);

	(void)close(fd);
	if (rc == -1 && out->data != NULL) {
		out->len = before;
		out->data[before] = '\0';
	}
	return rc;
}

int
file_read(int dirfd, const char *path, struct buf *out, struct err *e)
{
	int fd = openat(dirfd, path, READ_FLAGS);

	if (fd == -1)
		return err_sys(e, open_kind(), "open %s", path);
	return read_and_close(fd, path, out, e);
}

int
file_read_beneath(int dirfd, const char *path, struct buf *out, struct err *e)
{
	struct open_how how = {
		.flags = READ_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
		    RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	/* EAGAIN: somebody renamed folders while the kernel walked them. */
	for (int i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd != -1 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd == -1)
		return err_sys(e, open_kind(), "open %s", path);
	return read_and_close((int)fd, path, out, e);
}

int
fd_write_all(int fd, const void *bytes, size_t len, struct err *e)
{
	const char *p = bytes;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, p, len)) == -1) {
			if (errno == EINTR)
				continue;
			return err_sys(e, write_kind(), "write");
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fd_cloexec(int fd, bool on, struct err *e)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags == -1)
		return err_sys(e, ERR_BROKEN, "close-on-exec of %d", fd);
	flags = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	if (fcntl(fd, F_SETFD, flags) == -1)
		return err_sys(e, ERR_BROKEN, "close-on-exec of %d", fd);
	return 0;
}

/* Opens the folder of path; *name is the last part of it, borrowed. */
static int
open_folder(int dirfd, const char *path, const char **name, struct err *e)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	size_t len;
	int fd;

	if (slash == NULL) {
		*name = path;
		len = 0;
	} else {
		*name = slash + 1;
		len = (size_t)(slash - path) + 1;
	}
	if (len >= sizeof(folder) || **name == '\0')
		return err_set(e, ERR_INVALID, "%s is not a file name", path);
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
	fd = openat(dirfd, len == 0 ? "." : folder,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(e, open_kind(), "open the folder of %s", path);
	return fd;
}

/* Writes the whole temporary file, down to the disk. */
static int
write_temporary(int folder, const char *temporary, const void *bytes,
    size_t len, mode_t mode, struct err *e)
{
	int rc = -1;
	int fd;

	fd = openat(folder, temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, write_kind(), "make %s", temporary);
	/* fchmod, because the umask has no say in what the caller asked. */
	if (fchmod(fd, mode) == -1) {
		(void)err_sys(e, ERR_BROKEN, "mode of %s", temporary);
		goto out;
	}
	if (fd_write_all(fd, bytes, len, e) == -1)
		goto out;
	if (fsync(fd) == -1) {
		(void)err_sys(e, write_kind(), "fsync %s", temporary);
		goto out;
	}
	rc = 0;
out:
	(void)close(fd);
	if (rc == -1)
		(void)unlinkat(folder, temporary, 0);
	return rc;
}

int
file_replace(int dirfd, const char *path, const void *bytes, size_t len,
    mode_t mode, struct err *e)
{
	char temporary[sizeof(".tmp-") + 2 * RANDOM_BYTES] = ".tmp-";
	uint8_t random[RANDOM_BYTES];
	const char *name;
	int folder, rc = -1;

	if ((folder = open_folder(dirfd, path, &name, e)) == -1)
		return -1;
	random_fill(random, sizeof(random));
	encode_hex(temporary + strlen(temporary), random, sizeof(random));
	if (write_temporary(folder, temporary, bytes, len, mode, e) == -1) {
		(void)err_wrap(e, "replace %s", path);
		goto out;
	}
	if (renameat(folder, temporary, folder, name) == -1) {
		(void)err_sys(e, write_kind(), "replace %s", path);
		(void)unlinkat(folder, temporary, 0);
		goto out;
	}
	rc = dir_sync(folder, e);
out:
	(void)close(folder);
	return rc;
}

/* True if path still names the file that fd has open. */
static bool
is_same_file(int fd, int dirfd, const char *path)
{
	struct stat have, named;

	return fstat(fd, &have) == 0 &&
	    fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    have.st_dev == named.st_dev && have.st_ino == named.st_ino;
}

static int
open_lock(int dirfd, const char *path, struct err *e)
{
	int fd = openat(dirfd, path,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	return fd != -1 ? fd : err_sys(e, open_kind(), "open lock %s", path);
}

int
file_lock(int dirfd, const char *path, struct err *e)
{
	int fd;

	for (int i = 0; i < TRIES; i++) {
		if ((fd = open_lock(dirfd, path, e)) == -1)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
			int why = errno;

			(void)close(fd);
			if (why == EWOULDBLOCK)
				return -2;
			if (why == EINTR)
				continue;
			errno = why;
			return err_sys(e, ERR_RETRY, "lock %s", path);
		}
		/* A lock on a file that lost its name locks nothing (P4). */
		if (is_same_file(fd, dirfd, path))
			return fd;
		(void)close(fd);
	}
	return err_set(e, ERR_RETRY, "lock %s: it keeps changing", path);
}

int
file_lock_byte(int dirfd, const char *path, off_t first, off_t count,
    struct err *e)
{
	int fd = open_lock(dirfd, path, e);

	if (fd == -1)
		return -1;
	for (off_t i = 0; i < count; i++) {
		struct flock byte = { .l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = first + i,
			.l_len = 1 };

		/* Of this descriptor, not of the process. */
		if (fcntl(fd, F_OFD_SETLK, &byte) == 0)
			return fd;
		if (errno != EAGAIN && errno != EACCES) {
			(void)err_sys(e, ERR_RETRY, "lock %s", path);
			(void)close(fd);
			return -1;
		}
	}
	(void)close(fd);
	return -2;
}
