#include "util/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FIRST 3 /* systemd's number for the first socket */
#define LISTEN_MAX 64

void
notify_send(const char *state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(to.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

/* The number in an environment variable; -1 if it is none up to most. */
static long
env_number(const char *name, long most)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	n = strtol(text, &end, 10);
	return *end == '\0' && n <= most ? n : -1;
}

int
notify_listen_fds(int *count)
{
	long n = env_number("LISTEN_FDS", LISTEN_MAX);

	/* The variables may be meant for a process that we descend from. */
	if (n < 1 || env_number("LISTEN_PID", INT32_MAX) != (long)getpid())
		return -1;
	for (int i = 0; i < n; i++)
		(void)fcntl(LISTEN_FIRST + i, F_SETFD, FD_CLOEXEC);
	*count = (int)n;
	return LISTEN_FIRST;
}
