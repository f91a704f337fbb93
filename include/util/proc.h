#ifndef UTIL_PROC_H
#define UTIL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * proc: the only file that forks. A child is either another program
 * (proc_spawn: fork, a short ordered list of async-signal-safe calls, exec) or
 * a function of ours in a copy of this process (proc_fork). Nothing else in
 * the tree calls fork, exec, waitpid on a pid it did not get here, system or
 * popen. Not for threaded processes.
 */

/* One limit for the child; soft and hard alike. */
struct proc_limit {
	int resource; /* RLIMIT_... */
	rlim_t most;
};

/*
 * Moves a descriptor of ours to a number in the child, at most 255. One may
 * go to several numbers, and two may change places.
 */
struct proc_fd {
	int ours;
	int theirs;
};

struct proc_spec {
	const char *const *argv; /* argv[0] is the path; NULL last */
	const char *const *env;  /* "NAME=value", NULL last; NULL: empty */
	const char *cwd;         /* NULL: stay */

	/*
	 * What the child has open; 0, 1 and 2 are the null device unless
	 * named here, and everything else is closed (P9). At most 32.
	 */
	const struct proc_fd *fds;
	size_t fd_count;

	const struct proc_limit *limits;
	size_t limit_count;

	bool new_session;  /* setsid: a group and session of its own */
	bool die_with_us;  /* SIGKILL when this process is gone (P3) */
	bool low_priority; /* nice 5, and first to go when memory is short */

	/* Become this user (as root only); 0: stay as we are. */
	uid_t uid;
	gid_t gid;
};

/* A child: its pid and a pidfd, which is the caller's to close. */
struct proc {
	pid_t pid;
	int pidfd;
};

/*
 * Starts a program. Signals, mask and umask are put to defaults in the child
 * (P7), and of the limits the soft one of descriptors, to 1024. Returns when
 * exec has succeeded; a program that could not be started is an error here
 * (ERR_ABSENT: no such file, ERR_DENIED, else ERR_RETRY), never a status later.
 */
int proc_spawn(struct proc *p, const struct proc_spec *spec,
    struct err *e) MUST_CHECK;

/*
 * Runs child(ctx) in a copy of this process and _exits with its result.
 * Blocked signals stay blocked and handlers stay: the child is our own code.
 */
int proc_fork(struct proc *p, int (*child)(void *ctx), void *ctx,
    struct err *e) MUST_CHECK;

/* How a child ended. */
struct proc_end {
	int code;   /* exit status, or 128 + signal */
	int signal; /* 0 unless a signal ended it */
};

/*
 * Takes a child's end without waiting. Returns 1 with *end, 0 while it lives,
 * -1 when it is no child of ours (ERR_ABSENT).
 */
int proc_ended(const struct proc *p, struct proc_end *end,
    struct err *e) MUST_CHECK;

/* Waits at most limit_ms for it; otherwise as proc_ended(). */
int proc_wait(const struct proc *p, int limit_ms, struct proc_end *end,
    struct err *e) MUST_CHECK;

/* Sends a signal through the pidfd, so never to a stranger (P2). */
int proc_signal(const struct proc *p, int sig, struct err *e) MUST_CHECK;

/* Ask, wait, kill: TERM, up to grace_ms, KILL, reap. For children only. */
void proc_stop(struct proc *p, int grace_ms);

/* Closes the pidfd; the process is not touched. Takes a zeroed struct. */
void proc_forget(struct proc *p);

/* Start time of a process in clock ticks (field 22 of stat); 0: not there. */
uint64_t proc_start_time(pid_t pid);

/*
 * SIGKILLs every descendant of this process, which must be a child subreaper
 * (P5, way 3): stops them all, round after round until no new one appears,
 * then kills and reaps. Returns how many there were.
 */
size_t proc_kill_descendants(void);

/*
 * This process: no core dumps, no ptrace, /proc/self not for others (P11). A
 * fork keeps all of it, an exec the core limit only: each program of ours
 * calls it first.
 */
void proc_harden(void);

/* The boot's id, 36 characters and NUL. */
int proc_boot_id(char out[37], struct err *e) MUST_CHECK;

#endif
