/* The half of util/file.h that is about folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

#define PATH_BYTES 4096

/*
 * A hostile tree may be nested deeper than we may have descriptors. So below
 * this depth a folder is moved up to the top of the tree, and a later pass
 * goes on there.
 */
#define DEPTH_MAX 32
#define PASSES_MAX 10000

int
dir_sync(int dirfd, struct err *e)
{
	if (fsync(dirfd) == -1)
		return err_sys(e, ERR_BROKEN, "fsync a folder");
	return 0;
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum err_kind
make_kind(int why)
{
	switch (why) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case EEXIST:
	case ENOTDIR:
	case ENAMETOOLONG:
		return ERR_INVALID;
	default:
		return ERR_RETRY;
	}
}

static int
make_one(const char *path, mode_t mode, struct err *e)
{
	int why;

	if (mkdir(path, mode) == 0)
		return 0;
	why = errno;
	/* Of a folder that is there, the system may say EROFS or EACCES. */
	if (is_folder(path))
		return 0;
	errno = why;
	return err_sys(e, make_kind(why), "make folder %s", path);
}

int
dir_make(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_BYTES];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return err_set(e, ERR_INVALID, "no name for a folder");
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/' || part[i - 1] == '/')
			continue;
		part[i] = '\0';
		if (make_one(part, mode, e) == -1)
			return -1;
		part[i] = '/';
	}
	return make_one(part, mode, e);
}

/* One removal: where deep folders go, and how many went there. */
struct removal {
	int top;
	unsigned int moved;
	bool left; /* something remains for another pass */
};

/*
 * Opens a folder for removal, never through a link, and takes the right to
 * read and change it, whatever its mode was. The mode is changed through the
 * descriptor, so that nobody can put a link in its place meanwhile.
 */
static int
open_to_empty(int dirfd, const char *name, struct err *e)
{
	char self[64];
	struct stat st;
	int handle, fd = -1;

	handle =
	    openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (handle == -1)
		return err_sys(e, ERR_RETRY, "open folder %s", name);
	if (fstat(handle, &st) == 0 && (st.st_mode & 0700) != 0700) {
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
		/* If not ours to change, the next open says so. */
		(void)chmod(self, 0700);
	}
	fd = openat(handle, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		(void)err_sys(e, errno == EACCES ? ERR_DENIED : ERR_RETRY,
		    "open folder %s", name);
	(void)close(handle);
	return fd;
}

static int empty(struct removal *r, int fd, unsigned int depth, struct err *e);

/* Moves a folder that lies too deep to the top of the tree. */
static int
move_up(struct removal *r, int dirfd, const char *name, struct err *e)
{
	char up[48];

	do
		(void)snprintf(up, sizeof(up), ".deep-%u", r->moved++);
	while (faccessat(r->top, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	if (renameat(dirfd, name, r->top, up) == -1)
		return err_sys(e, ERR_RETRY, "move folder %s", name);
	r->left = true;
	return 0;
}

static int
remove_folder(struct removal *r, int dirfd, const char *name,
    unsigned int depth, struct err *e)
{
	int fd = open_to_empty(dirfd, name, e);

	if (fd == -1)
		return -1;
	if (depth == DEPTH_MAX) {
		(void)close(fd);
		return move_up(r, dirfd, name, e);
	}
	if (empty(r, fd, depth + 1, e) == -1)
		return -1;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST) {
		r->left = true; /* somebody still writes there */
		return 0;
	}
	return err_sys(e, errno == EACCES ? ERR_DENIED : ERR_RETRY,
	    "remove folder %s", name);
}

static int
remove_entry(struct removal *r, int dirfd, const char *name, unsigned int depth,
    struct err *e)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* EISDIR is Linux, EPERM is POSIX. */
	if (errno == EISDIR || errno == EPERM)
		return remove_folder(r, dirfd, name, depth, e);
	return err_sys(e, errno == EACCES ? ERR_DENIED : ERR_RETRY, "remove %s",
	    name);
}

/* Removes what is in the folder fd, which it closes. */
static int
empty(struct removal *r, int fd, unsigned int depth, struct err *e)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	int rc = -1;

	if (d == NULL) {
		(void)err_sys(e, ERR_RETRY, "list a folder");
		(void)close(fd);
		return -1;
	}
	while ((entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (remove_entry(r, fd, entry->d_name, depth, e) == -1)
			goto out;
	}
	rc = 0;
out:
	(void)closedir(d);
	return rc;
}

/* Empties the tree at path, pass after pass, until nothing is left. */
static int
empty_tree(int dirfd, const char *path, struct err *e)
{
	struct removal r = { .top = -1 };
	int rc = -1;

	for (int pass = 0; pass < PASSES_MAX; pass++) {
		r.left = false;
		if ((r.top = open_to_empty(dirfd, path, e)) == -1)
			return -1;
		rc = empty(&r, fcntl(r.top, F_DUPFD_CLOEXEC, 3), 0, e);
		(void)close(r.top);
		if (rc == -1 || !r.left)
			return rc;
	}
	return err_set(e, ERR_RETRY, "it does not get empty");
}

int
dir_remove(int dirfd, const char *path, struct err *e)
{
	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT ||
	    errno == ENOTDIR)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, errno == EACCES ? ERR_DENIED : ERR_RETRY,
		    "remove %s", path);
	if (empty_tree(dirfd, path, e) == -1)
		return err_wrap(e, "remove %s", path);
	if (unlinkat(dirfd, path, AT_REMOVEDIR) == -1 && errno != ENOENT)
		return err_sys(e, errno == EACCES ? ERR_DENIED : ERR_RETRY,
		    "remove %s", path);
	return 0;
}
