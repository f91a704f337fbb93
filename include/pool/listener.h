#ifndef POOL_LISTENER_H
#define POOL_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * listener: the unix socket that the web server connects to. Made by us, not by
 * FCGX_OpenSocket, which steals the path of a running service (F16).
 */
#define LISTENER_BACKLOG 511 /* a full one is a 502 at once (F18) */
#define LISTENER_PATH_MAX 99 /* 107 of the kernel, less a temporary suffix */

struct listener {
	int fd;
	int lock_fd;                      /* -1 when inherited */
	char path[LISTENER_PATH_MAX + 1]; /* "" when inherited */
	dev_t dev;
	ino_t ino;
};

/* clang-format off */
#define LISTENER_CLOSED { -1, -1, "", 0, 0 }
/* clang-format on */

/*
 * Listens on path, 0660 and of that group ("": left as it is). Locks
 * path.lock for as long as the listener is open; the socket appears by rename,
 * ready, in place of a stale one. ERR_CONFLICT: another process holds the lock
 * and so serves there.
 */
int listener_open(struct listener *l, const char *path, const char *group,
    struct err *e) MUST_CHECK;

/* Takes a listening socket that somebody else made (fd 0, systemd). */
int listener_inherit(struct listener *l, int fd, struct err *e) MUST_CHECK;

/* Removes the socket if it is ours, also from its path; no new connections. */
void listener_unlink(struct listener *l);

/* Unlinks, closes, unlocks. Fine when closed already. */
void listener_close(struct listener *l);

#endif
