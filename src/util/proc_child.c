#include "util/proc_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NICE 5
#define USUAL_FILES 1024 /* more descriptors break programs with select */

static const char *const step_names[] = {
	[PROC_SESSION] = "session",
	[PROC_DESCRIPTORS] = "descriptors",
	[PROC_PRIORITY] = "priority",
	[PROC_LIMITS] = "limits",
	[PROC_USER] = "user",
	[PROC_ORPHAN] = "the parent has gone",
	[PROC_FOLDER] = "folder",
	[PROC_SIGNALS] = "signals",
	[PROC_EXEC] = "exec",
};

_Static_assert(sizeof(step_names) / sizeof(step_names[0]) == PROC_STEP_N,
    "every step has its name");

const char *
proc_step_name(enum proc_step step)
{
	return (unsigned int)step < PROC_STEP_N ? step_names[step] : "?";
}

/* The lowest number above all that the program is to have. */
static int
first_free(const struct proc_spec *spec)
{
	int most = STDERR_FILENO;

	for (size_t i = 0; i < spec->fd_count; i++)
		if (spec->fds[i].theirs > most)
			most = spec->fds[i].theirs;
	return most + 1;
}

static bool
is_wanted(const struct proc_spec *spec, int fd)
{
	for (size_t i = 0; i < spec->fd_count; i++)
		if (spec->fds[i].theirs == fd)
			return true;
	return false;
}

/* Marks all from first up, whatever some library forgot to mark (P9). */
static int
mark_from(int first)
{
	struct rlimit files;

	if (close_range((unsigned int)first, UINT_MAX, CLOSE_RANGE_CLOEXEC) ==
	    0)
		return 0;
	/* An old kernel, or a filter in front of it: one by one. */
	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return -1;
	for (int fd = first; fd < (int)files.rlim_max && fd < 1 << 20; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 && errno != EBADF)
			return -1;
	return 0;
}

/* Gives the numbers below base that nobody named: null device or nothing. */
static int
fill(const struct proc_spec *spec, int base)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high;

	if (null == -1 || (high = fcntl(null, F_DUPFD_CLOEXEC, base)) == -1)
		return -1;
	for (int fd = 0; fd < base; fd++) {
		if (is_wanted(spec, fd))
			continue;
		if (fd > STDERR_FILENO)
			(void)close(fd);
		else if (dup2(high, fd) == -1)
			return -1;
	}
	return 0;
}

/*
 * Puts every descriptor at its number. First all go up, out of each other's
 * way, because 3 to 4 and 4 to 3 may both be wanted. The pipe goes up too.
 */
static int
place(const struct proc_spec *spec, int *report)
{
	int up[PROC_FD_MAX];
	int base = first_free(spec);

	if ((*report = fcntl(*report, F_DUPFD_CLOEXEC, base)) == -1)
		return -1;
	for (size_t i = 0; i < spec->fd_count; i++)
		if ((up[i] = fcntl(spec->fds[i].ours, F_DUPFD_CLOEXEC, base)) ==
		    -1)
			return -1;
	for (size_t i = 0; i < spec->fd_count; i++)
		if (dup2(up[i], spec->fds[i].theirs) == -1)
			return -1;
	if (fill(spec, base) == -1)
		return -1;
	return mark_from(base);
}

/*
 * The kernel's choice when memory ends should be the agent's tree, not us.
 * It is only a hint: a process that cannot be dumped does not own its own
 * file in /proc, so this may fail.
 */
static int
yield(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd != -1) {
		(void)!write(fd, "500", 3);
		(void)close(fd);
	}
	if (getpriority(PRIO_PROCESS, 0) >= NICE)
		return 0; /* already lower, and the way up is closed */
	return setpriority(PRIO_PROCESS, 0, NICE);
}

static int
limit(const struct proc_spec *spec)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_cur > USUAL_FILES) {
		files.rlim_cur = USUAL_FILES;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; i < spec->limit_count; i++) {
		const struct rlimit both = { spec->limits[i].most,
			spec->limits[i].most };

		if (setrlimit((__rlimit_resource_t)spec->limits[i].resource,
			&both) == -1)
			return -1;
	}
	return 0;
}

/* For good: real, effective and saved ids, and no group of ours left. */
static int
become_user(const struct proc_spec *spec)
{
	if (spec->uid == 0)
		return 0;
	if (setgroups(0, NULL) == -1 ||
	    setresgid(spec->gid, spec->gid, spec->gid) == -1)
		return -1;
	return setresuid(spec->uid, spec->uid, spec->uid);
}

/* After the change of user, which clears it (P3). */
static int
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) == -1)
		return -1;
	if (getppid() == parent)
		return 0;
	errno = ESRCH; /* it died before it could be noticed */
	return -1;
}

/*
 * A blocked or ignored signal stays so over exec (P7). Handlers go first:
 * ours must not run here once the mask opens.
 */
static int
reset_signals(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &usual, NULL); /* KILL, STOP refuse */
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Does the steps in their order; returns the one that failed. */
static enum proc_step
prepare(const struct proc_spec *spec, int *report, pid_t parent)
{
	if (spec->new_session && setsid() == -1)
		return PROC_SESSION;
	if (place(spec, report) == -1)
		return PROC_DESCRIPTORS;
	if (spec->low_priority && yield() == -1)
		return PROC_PRIORITY;
	if (limit(spec) == -1)
		return PROC_LIMITS;
	if (become_user(spec) == -1)
		return PROC_USER;
	if (spec->die_with_us && die_with(parent) == -1)
		return PROC_ORPHAN;
	if (spec->cwd != NULL && chdir(spec->cwd) == -1)
		return PROC_FOLDER;
	(void)umask(022);
	if (reset_signals() == -1)
		return PROC_SIGNALS;
	return PROC_EXEC;
}

_Noreturn void
proc_become(const struct proc_spec *spec, int report, pid_t parent)
{
	static const char *const nothing[] = { NULL };
	const char *const *env = spec->env == NULL ? nothing : spec->env;
	struct proc_report failed;

	failed.step = prepare(spec, &report, parent);
	if (failed.step == PROC_EXEC)
		(void)execve(spec->argv[0], (char *const *)spec->argv,
		    (char *const *)env);
	failed.why = errno;
	(void)!write(report, &failed, sizeof(failed));
	_exit(127);
}
