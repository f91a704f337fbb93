#include "store/poke.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DRAIN_MAX 1024 /* pokes taken at a time; a flood must not hold us */

struct poke {
	int fd;
	struct sockaddr_un to;
};

/* Where the socket is, with suffix behind its name. */
static int
address(struct sockaddr_un *to, const char *state_dir, const char *name,
    const char *suffix, struct err *e)
{
	int n;

	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	n = snprintf(to->sun_path, sizeof(to->sun_path), "%s/%s%s", state_dir,
	    name, suffix);
	if (n < 0 || (size_t)n >= sizeof(to->sun_path))
		return err_set(e, ERR_INVALID,
		    "STATE_DIR is too long for a socket in it");
	return 0;
}

static int
new_socket(struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return err_sys(e, ERR_RETRY, "socket");
	return fd;
}

int
poke_listen(const char *state_dir, struct err *e)
{
	return poke_listen_at(state_dir, POKE_REAPER, e);
}

int
poke_listen_at(const char *state_dir, const char *name, struct err *e)
{
	struct sockaddr_un at, fresh;
	int fd;

	if (address(&at, state_dir, name, "", e) == -1 ||
	    address(&fresh, state_dir, name, ".new", e) == -1)
		return -1;
	if ((fd = new_socket(e)) == -1)
		return -1;
	/* Bound aside and renamed: senders never find half of it (F16). */
	(void)unlink(fresh.sun_path);
	if (bind(fd, (struct sockaddr *)&fresh, sizeof(fresh)) == -1 ||
	    chmod(fresh.sun_path, 0660) == -1 ||
	    rename(fresh.sun_path, at.sun_path) == -1) {
		(void)err_sys(e, ERR_RETRY, "bind %s", at.sun_path);
		(void)close(fd);
		return -1;
	}
	return fd;
}

void
poke_drain(int fd)
{
	char byte;

	for (int i = 0; i < DRAIN_MAX; i++)
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) == -1)
			return;
}

int
poke_open(struct poke **out, const char *state_dir, struct err *e)
{
	return poke_open_at(out, state_dir, POKE_REAPER, e);
}

int
poke_open_at(struct poke **out, const char *state_dir, const char *name,
    struct err *e)
{
	struct poke *p;

	*out = NULL;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (address(&p->to, state_dir, name, "", e) == -1 ||
	    (p->fd = new_socket(e)) == -1) {
		free(p);
		return -1;
	}
	*out = p;
	return 0;
}

void
poke_send(struct poke *p)
{
	/*
	 * To the name, not to a connection: the reaper may have been replaced
	 * since. No reaper, or a full queue of pokes: it polls anyway.
	 */
	(void)sendto(p->fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
	    (struct sockaddr *)&p->to, sizeof(p->to));
}

void
poke_close(struct poke *p)
{
	if (p == NULL)
		return;
	(void)close(p->fd);
	free(p);
}
