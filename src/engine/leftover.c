#include "engine/leftover.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "engine/workspace.h"
#include "spool/spool.h"
#include "util/log.h"

#define WORKSPACES_MAX 4
#define ROUNDS_MAX 10
#define PROC_FILE_MAX ((size_t)128 * 1024)

/* What gives a process away. */
struct marks {
	struct workspace left[WORKSPACES_MAX];
	size_t count;
	char path[PATH_MAX + SPOOL_NAME_MAX]; /* "DIR/TASK.ATTEMPT." */
	char *space;                          /* PROC_FILE_MAX bytes */
};

/* Reads a file of a process; 0 when it is gone, or not ours to see. */
static size_t
read_proc(int proc_fd, const char *pid, const char *name, char *space)
{
	char path[300];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", pid, name);
	if ((fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	n = read(fd, space, PROC_FILE_MAX - 1);
	(void)close(fd);
	if (n < 0)
		return 0;
	space[n] = '\0';
	return (size_t)n;
}

static bool
names_workspace(const struct marks *m, const char *variable)
{
	static const char prefix[] = LEFTOVER_VARIABLE "=";

	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(variable + sizeof(prefix) - 1, m->left[i].name) == 0)
			return true;
	return false;
}

/* True if one of the NUL-separated variables names a workspace. */
static bool
has_variable(const struct marks *m, size_t len)
{
	for (const char *p = m->space; p < m->space + len; p += strlen(p) + 1)
		if (names_workspace(m, p))
			return true;
	return false;
}

static bool
is_bwrap_of(const char *line, size_t len, const char *path)
{
	const char *slash = strrchr(line, '/');

	return strcmp(slash == NULL ? line : slash + 1, "bwrap") == 0 &&
	    memmem(line, len, path, strlen(path)) != NULL;
}

static bool
is_marked(int proc_fd, const char *pid, const struct marks *m)
{
	size_t len;

	if (m->count > 0) {
		len = read_proc(proc_fd, pid, "environ", m->space);
		if (has_variable(m, len))
			return true;
	}
	len = read_proc(proc_fd, pid, "cmdline", m->space);
	return len > 0 && is_bwrap_of(m->space, len, m->path);
}

/* The pidfd first, then the look again: no stranger is hit (P2). */
static bool
kill_one(int proc_fd, const char *pid, const struct marks *m)
{
	int pidfd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);
	bool hit;

	if (pidfd == -1)
		return false;
	hit = is_marked(proc_fd, pid, m) &&
	    pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0;
	(void)close(pidfd);
	return hit;
}

static size_t
round_of_kills(const struct marks *m)
{
	struct dirent *d;
	size_t hits = 0;
	DIR *dir = opendir("/proc");

	if (dir == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    is_marked(dirfd(dir), d->d_name, m) &&
		    kill_one(dirfd(dir), d->d_name, m))
			hits++;
	(void)closedir(dir);
	return hits;
}

static int
set_marks(struct marks *m, const char *sandbox_dir, const struct hold *h)
{
	char name[SPOOL_NAME_MAX];
	char *real;

	if ((real = realpath(sandbox_dir, NULL)) == NULL)
		return -1; /* then nothing was ever made there */
	spool_name(name, h->task_id, h->attempt);
	(void)snprintf(m->path, sizeof(m->path), "%s/%s.", real, name);
	free(real);
	m->count = workspace_find(sandbox_dir, h, m->left, WORKSPACES_MAX);
	return 0;
}

size_t
leftover_kill(const char *sandbox_dir, const struct hold *h)
{
	struct marks m;
	size_t hits, all = 0;

	if (set_marks(&m, sandbox_dir, h) == -1 ||
	    (m.space = malloc(PROC_FILE_MAX)) == NULL)
		return 0;
	/* A victim may have forked while we looked: until none is found. */
	for (int i = 0; i < ROUNDS_MAX; i++) {
		if ((hits = round_of_kills(&m)) == 0)
			break;
		all += hits;
		(void)usleep(2000); /* killed ones need a moment to go */
	}
	free(m.space);
	if (all > 0)
		log_line(LOG_WARN,
		    "leftovers killed id=%jd attempt=%u count=%zu",
		    (intmax_t)h->task_id, h->attempt, all);
	return all;
}
