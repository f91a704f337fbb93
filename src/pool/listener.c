#include "pool/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/file.h"

/* Who may connect: the owner and the group of the web server (F19). */
#define SOCKET_MODE 0660

static void
forget(struct listener *l)
{
	*l = (struct listener)LISTENER_CLOSED;
}

static int
take_lock(struct listener *l, struct err *e)
{
	char lock[LISTENER_PATH_MAX + 6];

	(void)snprintf(lock, sizeof(lock), "%s.lock", l->path);
	l->lock_fd = file_lock(AT_FDCWD, lock, e);
	if (l->lock_fd == -2)
		return err_set(e, ERR_CONFLICT,
		    "another process serves on %s already (it holds %s)",
		    l->path, lock);
	return l->lock_fd == -1 ? err_wrap(e, "lock") : 0;
}

static int
give_to_group(const char *path, const char *group, struct err *e)
{
	const struct group *gr;

	if (group[0] == '\0')
		return 0;
	if ((gr = getgrnam(group)) == NULL)
		return err_set(e, ERR_INVALID,
		    "API_SOCKET_GROUP: there is no group %s", group);
	if (chown(path, (uid_t)-1, gr->gr_gid) != 0)
		return err_sys(e, ERR_INVALID,
		    "API_SOCKET_GROUP: give %s to group %s", path, group);
	return 0;
}

static int
bind_to(int fd, const char *path, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	mode_t before;
	int failed;

	memcpy(to.sun_path, path, strlen(path) + 1);
	before = umask(0777 & ~SOCKET_MODE);
	failed = bind(fd, (const struct sockaddr *)&to, sizeof(to));
	(void)umask(before);
	if (failed != 0)
		return err_sys(e, ERR_INVALID, "make socket %s", path);
	return 0;
}

/*
 * Everything is done under a temporary name; the socket appears at its place
 * when it listens, so no client ever meets one that does not.
 */
static int
appear(struct listener *l, const char *group, struct err *e)
{
	char temporary[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct stat st;
	int rc = -1, n;

	n = snprintf(temporary, sizeof(temporary), "%s.%ld", l->path,
	    (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return err_set(e, ERR_INVALID, "API_SOCKET: path too long");
	if (unlink(temporary) != 0 && errno != ENOENT)
		return err_sys(e, ERR_INVALID, "remove %s", temporary);
	if (bind_to(l->fd, temporary, e) != 0)
		return -1;
	if (give_to_group(temporary, group, e) != 0)
		goto out;
	if (chmod(temporary, SOCKET_MODE) != 0 || stat(temporary, &st) != 0 ||
	    listen(l->fd, LISTENER_BACKLOG) != 0 ||
	    rename(temporary, l->path) != 0) {
		(void)err_sys(e, ERR_INVALID, "set up socket %s", l->path);
		goto out;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	rc = 0;
out:
	if (rc != 0)
		(void)unlink(temporary);
	return rc;
}

int
listener_open(struct listener *l, const char *path, const char *group,
    struct err *e)
{
	forget(l);
	if (strlen(path) > LISTENER_PATH_MAX)
		return err_set(e, ERR_INVALID,
		    "API_SOCKET: %s has more than %d bytes", path,
		    LISTENER_PATH_MAX);
	memcpy(l->path, path, strlen(path) + 1);
	if (take_lock(l, e) != 0)
		goto fail;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1) {
		(void)err_sys(e, ERR_RETRY, "socket");
		goto fail;
	}
	if (appear(l, group, e) == 0)
		return 0;
fail:
	listener_close(l);
	return -1;
}

int
listener_inherit(struct listener *l, int fd, struct err *e)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	forget(l);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 ||
	    listening == 0)
		return err_set(e, ERR_INVALID,
		    "descriptor %d is not a listening socket", fd);
	l->fd = fd;
	return 0;
}

void
listener_unlink(struct listener *l)
{
	struct stat st;

	/* ino is 0 until the socket stood at its path. */
	if (l->ino != 0 && stat(l->path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		(void)unlink(l->path);
	l->ino = 0;
}

void
listener_close(struct listener *l)
{
	listener_unlink(l);
	if (l->fd >= 0)
		(void)close(l->fd);

	/* The lock file stays: removing it would let two hold it (P4). */
	if (l->lock_fd >= 0)
		(void)close(l->lock_fd);
	forget(l);
}
