#include "util/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/proc_child.h"

#define START_LIMIT_MS 20000 /* from fork to exec, on a very busy machine */
#define KILL_LIMIT_MS 10000  /* from SIGKILL to the end: a slow disk */

/* The kind of a child's failure before exec, by its errno. */
static enum err_kind
start_kind(int why)
{
	switch (why) {
	case ENOENT:
	case ENOTDIR:
		return ERR_ABSENT;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_RETRY;
	}
}

/*
 * Reads what the child reports. A success closes the pipe without a word:
 * returns 0. Else -1 with *e.
 */
static int
hear(int pipe_fd, const struct proc_spec *spec, struct err *e)
{
	struct pollfd p = { .fd = pipe_fd, .events = POLLIN };
	int64_t until = clock_mono_ms() + START_LIMIT_MS;
	struct proc_report report;
	int64_t left;
	ssize_t n;

	do {
		left = until - clock_mono_ms();
	} while (poll(&p, 1, left > 0 ? (int)left : 0) == -1 && errno == EINTR);
	if (p.revents == 0)
		return err_set(e, ERR_RETRY, "start %s: no answer",
		    spec->argv[0]);
	do
		n = read(pipe_fd, &report, sizeof(report));
	while (n == -1 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(report))
		return err_set(e, ERR_RETRY, "start %s: died early",
		    spec->argv[0]);
	errno = report.why;
	return err_sys(e, start_kind(report.why), "start %s: %s", spec->argv[0],
	    proc_step_name(report.step));
}

/*
 * Fork with every signal blocked in the child, whose handlers are ours until
 * it has reset them. 0 in the child, with *before the mask of old.
 */
static pid_t
fork_quietly(sigset_t *before)
{
	sigset_t all;
	pid_t pid;
	int why;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, before);
	pid = fork();
	if (pid != 0) {
		why = errno;
		(void)sigprocmask(SIG_SETMASK, before, NULL);
		errno = why;
	}
	return pid;
}

/*
 * Takes a child that nobody needs to hear of. Not for where SIGCHLD is ignored:
 * there the number is free as soon as the child has ended.
 */
static void
discard(pid_t pid)
{
	(void)kill(pid, SIGKILL); /* ours and not reaped: no stranger */
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
}

static int
hold(struct proc *p, pid_t pid, struct err *e)
{
	p->pid = pid;
	p->pidfd = pidfd_open(pid, 0); /* close-on-exec by itself */
	if (p->pidfd != -1)
		return 0;
	p->pid = 0;
	return err_sys(e, ERR_RETRY, "pidfd");
}

static int
check(const struct proc_spec *spec, struct err *e)
{
	if (spec->argv == NULL || spec->argv[0] == NULL)
		return err_set(e, ERR_BROKEN, "no program to start");
	if (spec->fd_count > PROC_FD_MAX)
		return err_set(e, ERR_BROKEN, "too many descriptors");
	for (size_t i = 0; i < spec->fd_count; i++)
		if (spec->fds[i].theirs < 0 ||
		    spec->fds[i].theirs > PROC_FD_HIGHEST)
			return err_set(e, ERR_BROKEN, "descriptor %d",
			    spec->fds[i].theirs);
	return 0;
}

int
proc_spawn(struct proc *p, const struct proc_spec *spec, struct err *e)
{
	pid_t parent = getpid();
	sigset_t before;
	int report[2];
	pid_t pid;
	int rc = -1;

	if (check(spec, e) == -1)
		return -1;
	if (pipe2(report, O_CLOEXEC) == -1)
		return err_sys(e, ERR_RETRY, "pipe");
	if ((pid = fork_quietly(&before)) == 0)
		proc_become(spec, report[1], parent);
	(void)close(report[1]);
	if (pid == -1) {
		(void)err_sys(e, ERR_RETRY, "fork");
		goto out;
	}
	if (hear(report[0], spec, e) == -1) {
		discard(pid);
		goto out;
	}
	if ((rc = hold(p, pid, e)) == -1)
		discard(pid);
out:
	(void)close(report[0]);
	return rc;
}

/* The child waits until it is held, and is never seen if it is not. */
static _Noreturn void
become(const int gate[2], const sigset_t *before, int (*child)(void *ctx),
    void *ctx)
{
	char go;
	ssize_t n;

	(void)close(gate[1]);
	n = read(gate[0], &go, 1); /* all signals are blocked: no EINTR */
	(void)close(gate[0]);
	if (n != 1)
		_exit(127);
	(void)sigprocmask(SIG_SETMASK, before, NULL);
	_exit(child(ctx)); /* not exit: stdio is the parent's (P13) */
}

/*
 * Where SIGCHLD is ignored a child's number may be a stranger's at once, so it
 * is not killed if there is no pidfd: it leaves by itself when the gate closes.
 */
int
proc_fork(struct proc *p, int (*child)(void *ctx), void *ctx, struct err *e)
{
	sigset_t before;
	int gate[2], rc = -1, why;
	pid_t pid;

	if (pipe2(gate, O_CLOEXEC) == -1)
		return err_sys(e, ERR_RETRY, "pipe");
	if ((pid = fork_quietly(&before)) == 0)
		become(gate, &before, child, ctx);
	if (pid == -1)
		(void)err_sys(e, ERR_RETRY, "fork");
	else if (hold(p, pid, e) == 0)
		rc = 0;
	why = errno;
	/* Our end to read from is open, so this cannot raise SIGPIPE. */
	if (rc == 0)
		(void)!write(gate[1], "", 1);
	(void)close(gate[0]);
	(void)close(gate[1]);
	while (rc == -1 && pid > 0 && waitpid(pid, NULL, 0) == -1 &&
	    errno == EINTR)
		continue;
	errno = why;
	return rc;
}

int
proc_ended(const struct proc *p, struct proc_end *end, struct err *e)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) == -1)
		return err_sys(e, errno == ECHILD ? ERR_ABSENT : ERR_BROKEN,
		    "wait for %ld", (long)p->pid);
	if (info.si_pid == 0)
		return 0;
	end->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	end->code =
	    info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 1;
}

int
proc_wait(const struct proc *p, int limit_ms, struct proc_end *end,
    struct err *e)
{
	struct pollfd ended = { .fd = p->pidfd, .events = POLLIN };
	int64_t until = clock_mono_ms() + (limit_ms > 0 ? limit_ms : 0);
	int64_t left;

	do {
		left = until - clock_mono_ms();
		if (left < 0)
			left = 0;
		if (poll(&ended, 1, (int)left) != -1)
			break;
		if (errno != EINTR)
			return err_sys(e, ERR_BROKEN, "wait for %ld",
			    (long)p->pid);
	} while (left > 0);
	return proc_ended(p, end, e);
}

int
proc_signal(const struct proc *p, int sig, struct err *e)
{
	if (pidfd_send_signal(p->pidfd, sig, NULL, 0) == 0)
		return 0;
	return err_sys(e,
	    errno == ESRCH       ? ERR_ABSENT
		: errno == EPERM ? ERR_DENIED
				 : ERR_BROKEN,
	    "signal %d to %ld", sig, (long)p->pid);
}

void
proc_stop(struct proc *p, int grace_ms)
{
	struct err e = { 0 };
	struct proc_end end;

	/* A process that is stopped takes its TERM only when continued. */
	if (proc_signal(p, SIGTERM, &e) == 0 &&
	    proc_signal(p, SIGCONT, &e) == 0 &&
	    proc_wait(p, grace_ms, &end, &e) != 0)
		return;
	/* Ended before, or not ours: then there is nothing to wait for. */
	(void)!proc_signal(p, SIGKILL, &e);
	(void)!proc_wait(p, KILL_LIMIT_MS, &end, &e);
}

void
proc_forget(struct proc *p)
{
	if (p->pid > 0 && p->pidfd >= 0)
		(void)close(p->pidfd);
	p->pid = 0;
	p->pidfd = -1;
}

void
proc_harden(void)
{
	const struct rlimit none = { 0, 0 };

	/* Neither call can fail for a process's own sake. */
	(void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
	(void)setrlimit(RLIMIT_CORE, &none);
}

int
proc_boot_id(char out[37], struct err *e)
{
	struct buf text = BUF(64);
	int rc = -1;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, e) ==
	    -1)
		goto out;
	if (text.len < 36) {
		(void)err_set(e, ERR_BROKEN, "the boot id is too short");
		goto out;
	}
	memcpy(out, text.data, 36);
	out[36] = '\0';
	rc = 0;
out:
	buf_clear(&text);
	return rc;
}
