/* local: files in and out, without ever being led elsewhere (B7). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec/local.h"
#include "util/file.h"

/*
 * The folder of ours that an inside path is in; *rest is what is below it.
 * -1: it is in none.
 */
static int
base_of(const struct local *lo, const char *path, const char **rest,
    struct err *e)
{
	static const char *const prefixes[] = { SANDBOX_HOME "/",
		SANDBOX_CONTROL "/" };
	const int fds[] = { lo->home_fd, lo->control_fd };

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], n) != 0 || path[n] == '\0')
			continue;
		*rest = path + n;
		return fds[i];
	}
	return err_set(e, ERR_INVALID, "no such place in a sandbox: %s", path);
}

/* Opens the folder that rest's last part is in, beneath base. */
static int
open_folder(int base, const char *rest, const char **name, struct err *e)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	const char *slash = strrchr(rest, '/');
	char folder[LOCAL_PATH_MAX] = ".";
	long fd;

	*name = slash == NULL ? rest : slash + 1;
	if (slash != NULL)
		(void)snprintf(folder, sizeof(folder), "%.*s",
		    (int)(slash - rest), rest);
	fd = syscall(SYS_openat2, base, folder, &how, sizeof(how));
	if (fd == -1)
		return err_sys(e, errno == ENOENT ? ERR_ABSENT : ERR_INVALID,
		    "open the folder of %s", rest);
	return (int)fd;
}

/* The mode of a folder below, without a look through a link. */
static int
repair_below(int dirfd, const char *name, struct err *e)
{
	char path[64];
	int fd =
	    openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = 0;

	/* Removed, or something else by now: then it is no folder of ours. */
	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
		    ? 0
		    : err_sys(e, ERR_BROKEN, "look at the folder %s", name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0700) == -1)
		rc = err_sys(e, ERR_BROKEN, "mode of the folder %s", name);
	(void)close(fd);
	return rc;
}

int
local_repair(const struct local *lo, struct err *e)
{
	if (fchmod(lo->home_fd, 0700) == -1)
		return err_sys(e, ERR_BROKEN, "mode of the home folder");
	return repair_below(lo->home_fd, "workspace", e);
}

static int
write_new(const struct local *lo, int folder, const char *name,
    const void *bytes, size_t len, struct err *e)
{
	int fd;

	if (unlinkat(folder, name, 0) == -1 && errno != ENOENT)
		return err_sys(e, ERR_INVALID, "replace %s", name);
	fd = openat(folder, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, ERR_RETRY, "make %s", name);
	if (lo->uid != 0 && fchown(fd, lo->uid, lo->gid) == -1) {
		(void)close(fd);
		return err_sys(e, ERR_BROKEN, "give %s away", name);
	}
	if (fd_write_all(fd, bytes, len, e) == -1) {
		(void)close(fd);
		return err_wrap(e, "write %s", name);
	}
	return fd;
}

int
local_put(struct sandbox *sb, const char *path, const void *bytes, size_t len,
    unsigned int mode, struct err *e)
{
	const struct local *lo = (const struct local *)sb;
	const char *rest, *name;
	int base, folder, fd, rc = -1;

	if ((base = base_of(lo, path, &rest, e)) == -1 ||
	    (folder = open_folder(base, rest, &name, e)) == -1)
		return -1;
	if ((fd = write_new(lo, folder, name, bytes, len, e)) == -1)
		goto out;
	rc = 0;
	if (fchmod(fd, mode & 0777) == -1)
		rc = err_sys(e, ERR_BROKEN, "mode of %s", path);
	(void)close(fd);
out:
	(void)close(folder);
	return rc;
}

int
local_get(struct sandbox *sb, const char *path, struct buf *out, struct err *e)
{
	const struct local *lo = (const struct local *)sb;
	const char *rest;
	int base;

	if ((base = base_of(lo, path, &rest, e)) == -1)
		return -1;
	return file_read_beneath(base, rest, out, e);
}
