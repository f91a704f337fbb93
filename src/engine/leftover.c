#include "engine/leftover.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "util/log.h"

#define ROUNDS_MAX 10
#define ENVIRON_MAX (128 * 1024)

/* True if one of the NUL-separated strings begins with wanted. */
static bool
contains(const char *bytes, size_t len, const char *wanted)
{
	size_t n = strlen(wanted);
	const char *at = bytes;

	while (
	    (at = memmem(at, len - (size_t)(at - bytes), wanted, n)) != NULL) {
		if (at == bytes || at[-1] == '\0')
			return true;
		at++;
	}
	return false;
}

static bool
carries(int proc_fd, const char *pid, const char *wanted, char *space)
{
	char path[300];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/environ", pid);
	if ((fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC)) == -1)
		return false; /* gone, or not ours to see */
	n = read(fd, space, ENVIRON_MAX);
	(void)close(fd);
	return n > 0 && contains(space, (size_t)n, wanted);
}

/* The pidfd first, then the look again: no stranger is hit (P2). */
static bool
kill_one(int proc_fd, const char *pid, const char *wanted, char *space)
{
	int pidfd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
	bool hit;

	if (pidfd == -1)
		return false;
	hit = carries(proc_fd, pid, wanted, space) &&
	    pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0;
	(void)close(pidfd);
	return hit;
}

static size_t
round_of_kills(const char *wanted, char *space)
{
	struct dirent *d;
	size_t hits = 0;
	DIR *dir = opendir("/proc");

	if (dir == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    carries(dirfd(dir), d->d_name, wanted, space) &&
		    kill_one(dirfd(dir), d->d_name, wanted, space))
			hits++;
	(void)closedir(dir);
	return hits;
}

size_t
leftover_kill(const char *name)
{
	char wanted[80];
	char *space = malloc(ENVIRON_MAX);
	size_t hits, all = 0;

	if (space == NULL)
		return 0;
	(void)snprintf(wanted, sizeof(wanted), LEFTOVER_VARIABLE "=%s.", name);
	/* A victim may have forked while we looked: until none is found. */
	for (int i = 0; i < ROUNDS_MAX; i++) {
		if ((hits = round_of_kills(wanted, space)) == 0)
			break;
		all += hits;
		(void)usleep(2000); /* killed ones need a moment to go */
	}
	free(space);
	if (all > 0)
		log_line(LOG_WARN, "leftovers killed run=%s count=%zu", name,
		    all);
	return all;
}
