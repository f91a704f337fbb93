/* The parts of util/proc.h that read /proc: who a process is, whose it is. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/proc.h"

#define STAT_BYTES 4096
#define CHILDREN_BYTES (1024 * 1024)
#define ROUNDS_MAX 100
#define KILL_LIMIT_MS 10000
#define PAUSE_NS 2000000

/* What we need of /proc/PID/stat. */
struct stat_line {
	char state;
	pid_t parent;
	uint64_t start;
};

/* Reads it; false when there is no such process (any more). */
static bool
read_stat(pid_t pid, struct stat_line *line)
{
	struct buf text = BUF(STAT_BYTES);
	struct err e = { 0 };
	const char *p = NULL;
	unsigned long long start = 0;
	char path[64];
	long parent;
	bool ok = false;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	/* A name may hold blanks and brackets: the last one ends it. */
	if (file_read(AT_FDCWD, path, &text, &e) == 0 && text.len > 0)
		p = strrchr(text.data, ')');
	if (p != NULL)
		ok = sscanf(p + 1,
			 " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
			 " %*s %*s %*s %*s %*s %*s %*s %llu",
			 &line->state, &parent, &start) == 3;
	if (ok) {
		line->parent = (pid_t)parent;
		line->start = start;
	}
	buf_clear(&text);
	return ok;
}

uint64_t
proc_start_time(pid_t pid)
{
	struct stat_line line;

	return read_stat(pid, &line) ? line.start : 0;
}

/* The processes found, in the order of finding: parents before children. */
struct pids {
	pid_t *list;
	size_t count, cap;
};

static bool
holds(const struct pids *all, pid_t pid)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i] == pid)
			return true;
	return false;
}

static void
add(struct pids *all, pid_t pid)
{
	size_t cap = all->cap == 0 ? 64 : all->cap * 2;
	pid_t *list;

	if (all->count == all->cap) {
		list = reallocarray(all->list, cap, sizeof(*list));
		if (list == NULL)
			return; /* the next round finds it again */
		all->list = list;
		all->cap = cap;
	}
	all->list[all->count++] = pid;
}

/*
 * Signals pid if it still is what it was found as: a live child of parent, or
 * ours since that one died. The pidfd comes before the look, so what was
 * looked at is what is signalled (P2).
 */
static bool
signal_child(pid_t pid, pid_t parent, int sig)
{
	struct stat_line line;
	bool done = false;
	int fd;

	if ((fd = pidfd_open(pid, 0)) == -1)
		return false;
	if (read_stat(pid, &line) && line.state != 'Z' &&
	    (line.parent == parent || line.parent == getpid()))
		done = pidfd_send_signal(fd, sig, NULL, 0) == 0;
	(void)close(fd);
	return done;
}

/* Signals the children that one thread of parent has, and adds them. */
static void
signal_children_of(struct pids *all, pid_t parent, const char *children,
    int sig)
{
	struct buf text = BUF(CHILDREN_BYTES);
	struct err e = { 0 };
	const char *p;
	char *end;
	long pid;

	if (file_read(AT_FDCWD, children, &text, &e) == 0 && text.len > 0)
		for (p = text.data; (pid = strtol(p, &end, 10)) > 0; p = end)
			if (!holds(all, (pid_t)pid) &&
			    signal_child((pid_t)pid, parent, sig))
				add(all, (pid_t)pid);
	buf_clear(&text);
}

static void
signal_children(struct pids *all, pid_t parent, int sig)
{
	char path[64 + sizeof(((struct dirent *)NULL)->d_name)];
	struct dirent *thread;
	DIR *threads;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task", (long)parent);
	if ((threads = opendir(path)) == NULL)
		return; /* it has gone; its children are ours now */
	while ((thread = readdir(threads)) != NULL) {
		if (!isdigit((unsigned char)thread->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%ld/task/%s/children",
		    (long)parent, thread->d_name);
		signal_children_of(all, parent, path, sig);
	}
	(void)closedir(threads);
}

/* One walk over all that descends from us. Returns how many it signalled. */
static size_t
walk(int sig)
{
	struct pids all = { 0 };
	size_t count;

	signal_children(&all, getpid(), sig);
	for (size_t i = 0; i < all.count; i++)
		signal_children(&all, all.list[i], sig);
	count = all.count;
	free(all.list);
	return count;
}

/* Takes every child that has ended. False when no child is left at all. */
static bool
reap(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0 || (pid == -1 && errno == EINTR));
	return pid == 0;
}

size_t
proc_kill_descendants(void)
{
	const struct timespec pause = { 0, PAUSE_NS };
	int64_t until = clock_mono_ms() + KILL_LIMIT_MS;
	size_t count = 0, now;

	/*
	 * Stop them first: what is stopped forks no more, so a round that
	 * finds no more than the one before has found them all (P5).
	 */
	for (int round = 0; round < ROUNDS_MAX; round++) {
		now = walk(SIGSTOP);
		if (now <= count && round > 0)
			break;
		count = now > count ? now : count;
	}
	/* Those whose parent dies become ours, and the next walk's. */
	do {
		(void)walk(SIGKILL);
		if (!reap())
			break;
		(void)nanosleep(&pause, NULL);
	} while (clock_mono_ms() < until);
	return count;
}
