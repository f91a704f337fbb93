/* local: starts a command, reads what it prints, and ends all of it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exec/local.h"
#include "util/clock.h"
#include "util/file.h"

#define PIECE 65536
#define STOP_POLL_MS 50    /* how often stop() is asked */
#define END_LIMIT_MS 10000 /* from SIGKILL to the end: a slow disk */
#define LIMITS_MAX 6
#define MIB ((rlim_t)1024 * 1024)
#define FIRST_ERRORS 300 /* of stderr, for when bwrap itself fails */

enum {
	P_OUT,
	P_ERR,
	P_STATUS,
	P_MAIN,
	P_N
};

struct running {
	const struct local *lo;
	const struct sandbox_cmd *cmd;
	struct sandbox_end *end;
	struct proc main;
	int fds[P_MAIN]; /* our ends of the pipes; -1 when closed */
	int inner_fd;    /* pidfd of the namespace's first process */
	pid_t inner;
	struct buf status; /* what bwrap tells */
	struct buf errors;
	char *piece;
	int64_t until_ms; /* when to kill it; INT64_MAX never */
	bool asked;       /* it has been sent its SIGTERM */
	bool killed;
};

/* Kills everything; the end is seen in the loop. */
static void
kill_all(struct running *r)
{
	struct err ignored = { 0 };

	r->killed = true;
	r->until_ms = INT64_MAX;
	if (r->inner_fd != -1)
		(void)pidfd_send_signal(r->inner_fd, SIGKILL, NULL, 0);
	if (!r->lo->bwrap)
		(void)kill(-r->main.pid, SIGKILL); /* not yet reaped: ours */
	(void)!proc_signal(&r->main, SIGKILL, &ignored);
}

/*
 * The children of the namespace's first process: the first of them, and
 * whether pid is one.
 */
static long
inner_children(const struct running *r, long pid, bool *found)
{
	struct buf text = BUF(65536);
	struct err ignored = { 0 };
	char path[64];
	long first = 0;

	*found = false;
	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children",
	    (long)r->inner, (long)r->inner);
	if (file_read(AT_FDCWD, path, &text, &ignored) == 0 && text.len > 0) {
		char *end, *p = text.data;
		long child;

		for (; (child = strtol(p, &end, 10)) > 0; p = end) {
			first = first == 0 ? child : first;
			*found = *found || child == pid;
		}
	}
	buf_clear(&text);
	return first;
}

/*
 * Asks the command to end: SIGTERM, which bwrap would not hand on. False when
 * the command is not there yet.
 */
static bool
ask_to_end(const struct running *r)
{
	bool found = false;
	long pid;
	int fd;

	if (!r->lo->bwrap)
		return kill(-r->main.pid, SIGTERM) == 0;
	if (r->inner_fd == -1 || (pid = inner_children(r, 0, &found)) <= 0 ||
	    (fd = pidfd_open((pid_t)pid, 0)) == -1)
		return false;
	/* Asked again with the pidfd open: no stranger took the number (P2). */
	(void)inner_children(r, pid, &found);
	if (found)
		found = pidfd_send_signal(fd, SIGTERM, NULL, 0) == 0;
	(void)close(fd);
	return found;
}

/*
 * The limits of every command (B6): DATA, because AS breaks Node.js. NPROC is
 * one of the whole user's, so in a namespace it is set inside (local_bwrap.c).
 */
static size_t
set_limits(const struct local *lo, struct proc_limit *to)
{
	const struct sandbox_limits *from = &lo->limits;
	const struct proc_limit all[LIMITS_MAX] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_DATA, (rlim_t)from->memory_mb * MIB },
		{ RLIMIT_NPROC, lo->bwrap ? 0 : (rlim_t)from->processes },
		{ RLIMIT_NOFILE, (rlim_t)from->open_files },
		{ RLIMIT_FSIZE, (rlim_t)from->file_mb * MIB },
		{ RLIMIT_CPU, (rlim_t)from->cpu_s },
	};
	size_t n = 0;

	for (size_t i = 0; i < LIMITS_MAX; i++) {
		if (i == 0 || all[i].most > 0)
			to[n++] = all[i];
	}
	return n;
}

static void
close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] != -1)
			(void)close(pair[i]);
		pair[i] = -1;
	}
}

static int
make_pipe(int pair[2], struct err *e)
{
	if (pipe2(pair, O_CLOEXEC) == -1) {
		pair[0] = pair[1] = -1;
		return err_sys(e, ERR_RETRY, "pipe");
	}
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
		return err_sys(e, ERR_RETRY, "pipe");
	return 0;
}

/* Starts what l says; our ends of the pipes go to r->fds. */
static int
start(struct running *r, const struct launch *l, struct err *e)
{
	struct proc_limit limits[LIMITS_MAX];
	int pairs[P_MAIN][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct proc_fd fds[4];
	struct proc_spec spec = { .argv = l->argv,
		.env = l->env,
		.cwd = l->cwd,
		.fds = fds,
		.fd_count = r->lo->bwrap ? 4 : 2,
		.limits = limits,
		.new_session = true,
		.die_with_us = true,
		.low_priority = true,
		.uid = r->lo->uid,
		.gid = r->lo->gid };
	int rc = -1;

	spec.limit_count = set_limits(r->lo, limits);
	for (int i = 0; i < P_MAIN; i++) {
		if (make_pipe(pairs[i], e) == -1)
			goto out;
	}
	fds[0] = (struct proc_fd){ pairs[P_OUT][1], STDOUT_FILENO };
	fds[1] = (struct proc_fd){ pairs[P_ERR][1], STDERR_FILENO };
	fds[2] = (struct proc_fd){ pairs[P_STATUS][1], FD_STATUS };
	fds[3] = (struct proc_fd){ r->lo->filter_fd, FD_FILTER };
	/* bwrap reads the filter to its end, and the place is shared. */
	if (r->lo->bwrap && lseek(r->lo->filter_fd, 0, SEEK_SET) == -1) {
		(void)err_sys(e, ERR_BROKEN, "rewind the filter");
		goto out;
	}
	if (proc_spawn(&r->main, &spec, e) == -1)
		goto out;
	for (int i = 0; i < P_MAIN; i++) {
		r->fds[i] = pairs[i][0];
		pairs[i][0] = -1;
	}
	rc = 0;
out:
	for (int i = 0; i < P_MAIN; i++)
		close_pair(pairs[i]);
	return rc;
}

/* bwrap's first words name the process whose end is the end of all. */
static void
hear_status(struct running *r, const char *bytes, size_t len)
{
	static const char key[] = "\"child-pid\"";
	const char *at;

	if (r->status.len + len <= r->status.max)
		buf_add(&r->status, bytes, len);
	if (r->inner_fd != -1 || r->status.len == 0 ||
	    (at = strstr(r->status.data, key)) == NULL ||
	    strchr(at, '}') == NULL || (at = strchr(at, ':')) == NULL)
		return;
	r->inner = (pid_t)strtol(at + 1, NULL, 10);
	if (r->inner > 1)
		r->inner_fd = pidfd_open(r->inner, 0);
	/* It was too late for the kill that has been. */
	if (r->killed && r->inner_fd != -1)
		(void)pidfd_send_signal(r->inner_fd, SIGKILL, NULL, 0);
}

static int
hand_on(struct running *r, int which, const char *bytes, size_t len,
    struct err *e)
{
	if (which == P_STATUS) {
		hear_status(r, bytes, len);
		return 0;
	}
	if (which == P_ERR && r->errors.len < FIRST_ERRORS)
		buf_add(&r->errors, bytes,
		    len < FIRST_ERRORS - r->errors.len
			? len
			: FIRST_ERRORS - r->errors.len);
	if (r->cmd->output == NULL)
		return 0;
	return r->cmd->output(r->cmd->ctx,
	    which == P_OUT ? SANDBOX_STDOUT : SANDBOX_STDERR, bytes, len, e);
}

/* Reads one piece of a pipe: 1 got some, 0 nothing now or no more, -1. */
static int
read_pipe(struct running *r, int which, struct err *e)
{
	ssize_t n = read(r->fds[which], r->piece, PIECE);

	if (n > 0)
		return hand_on(r, which, r->piece, (size_t)n, e) == -1 ? -1 : 1;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	(void)close(r->fds[which]);
	r->fds[which] = -1;
	return 0;
}

/* When it has to end: the limit, or what the command's own clocks say. */
static int64_t
ends_ms(const struct running *r)
{
	int64_t own = r->cmd->until_ms == NULL ? INT64_MAX
					       : r->cmd->until_ms(r->cmd->ctx);

	return !r->killed && !r->end->stopped && own < r->until_ms
	    ? own
	    : r->until_ms;
}

/* Looks at the clock and at stop(). */
static void
check_time(struct running *r)
{
	int64_t now = clock_mono_ms();

	if (!r->killed && !r->end->stopped && r->cmd->stop != NULL &&
	    r->cmd->stop(r->cmd->ctx)) {
		r->end->stopped = true;
		if (r->until_ms > now + r->cmd->grace_ms)
			r->until_ms = now + r->cmd->grace_ms;
	}
	if (!r->killed && r->end->stopped && !r->asked)
		r->asked = ask_to_end(r);
	if (!r->killed && now >= ends_ms(r)) {
		r->end->cut_off = !r->end->stopped;
		r->end->early = r->end->cut_off && now < r->until_ms;
		kill_all(r);
	}
}

static int
poll_limit(const struct running *r)
{
	int64_t left = ends_ms(r) - clock_mono_ms();
	int64_t most = r->killed                      ? END_LIMIT_MS
	    : r->cmd->stop != NULL || r->end->stopped ? STOP_POLL_MS
						      : 1000;

	if (left < 0)
		left = 0;
	return (int)(left < most ? left : most);
}

/*
 * Follows the command until its main process has ended. -1: output() wanted
 * an end, or the wait failed; everything has been killed then, too.
 */
static int
follow(struct running *r, struct proc_end *how, struct err *e)
{
	struct pollfd p[P_N];
	int rc = 0, ended;

	for (;;) {
		for (int i = 0; i < P_N; i++)
			p[i] =
			    (struct pollfd){ .fd = i == P_MAIN ? r->main.pidfd
							       : r->fds[i],
				    .events = POLLIN };
		if (poll(p, P_N, poll_limit(r)) == -1 && errno != EINTR)
			return err_sys(e, ERR_BROKEN, "wait for a command");
		for (int i = 0; i < P_MAIN; i++) {
			/* After an error of output(): read on, drop it. */
			if (p[i].revents == 0 || p[i].fd == -1)
				continue;
			if (read_pipe(r, i, e) == -1) {
				rc = -1;
				kill_all(r);
				(void)close(r->fds[i]);
				r->fds[i] = -1;
			}
		}
		if (p[P_MAIN].revents != 0 &&
		    (ended = proc_ended(&r->main, how, e)) != 0)
			return ended == -1 ? -1 : rc;
		check_time(r);
	}
}

/* Waits for the whole tree to be gone. */
static int
await_end(struct running *r, struct err *e)
{
	struct pollfd p = { .fd = r->inner_fd, .events = POLLIN };

	if (r->inner_fd != -1) {
		/* Its end is the end of its namespace, and of all in it. */
		(void)pidfd_send_signal(r->inner_fd, SIGKILL, NULL, 0);
		if (poll(&p, 1, END_LIMIT_MS) != 1)
			return err_set(e, ERR_BROKEN,
			    "a sandbox does not end after SIGKILL");
	}
	/*
	 * Escapees of a plain command; and the inner process of a bwrap that
	 * was killed before it had told us of it, which waits for ever.
	 */
	(void)proc_kill_descendants();
	return 0;
}

/* What is left in the pipes. No writer lives, so this comes to an end. */
static int
drain(struct running *r, struct err *e)
{
	for (int i = 0; i < P_MAIN; i++) {
		int rc = 1;

		while (r->fds[i] != -1 && rc == 1)
			rc = read_pipe(r, i, e);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/* Did the command run at all, or did bwrap fail to make its sandbox? */
static int
check_started(const struct running *r, struct err *e)
{
	const char *why = r->errors.len > 0 ? r->errors.data : "";
	size_t n;

	/* Its own words alone: those of the command have not been redacted. */
	if (strncmp(why, "bwrap: ", 7) != 0)
		why = "";
	n = strcspn(why, "\n");

	if (!r->lo->bwrap || r->killed || r->end->stopped ||
	    (r->status.len > 0 &&
		strstr(r->status.data, "\"exit-code\"") != NULL))
		return 0;
	return err_set(e, ERR_RETRY, "bubblewrap could not start: %.*s", (int)n,
	    why);
}

static int
run_started(struct running *r, struct err *e)
{
	struct proc_end how = { 0 };
	int rc = follow(r, &how, e);

	if (rc == -1)
		kill_all(r);
	if (await_end(r, e) == -1 || rc == -1 || drain(r, e) == -1)
		return -1;
	r->end->code = how.code;
	/*
	 * An agent that takes all memory may have bwrap itself killed, which
	 * is its own end and not a failure to start.
	 */
	if (how.signal != 0 && r->inner_fd != -1 && !r->cmd->trusted)
		return 0;
	return check_started(r, e);
}

static int64_t
deadline(const struct local *lo, unsigned int limit_s)
{
	int64_t until = INT64_MAX;

	if (limit_s > 0)
		until = clock_mono_ms() + (int64_t)limit_s * 1000;
	if (lo->ends_ms > 0 && lo->ends_ms < until)
		until = lo->ends_ms;
	return until;
}

int
local_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e)
{
	const struct local *lo = (const struct local *)sb;
	struct launch l = { .text = malloc(LAUNCH_TEXT_MAX) };
	struct running r = { .lo = lo,
		.cmd = cmd,
		.end = end,
		.fds = { -1, -1, -1 },
		.inner_fd = -1,
		.status = BUF(1024),
		.errors = BUF(FIRST_ERRORS),
		.piece = malloc(PIECE),
		.until_ms = deadline(lo, cmd->limit_s) };
	int64_t began = clock_mono_ms();
	int rc = -1;

	*end = (struct sandbox_end){ 0 };
	if (l.text == NULL || r.piece == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	if (lo->bwrap)
		local_bwrap_launch(lo, cmd, &l);
	else
		local_plain_launch(lo, cmd, &l);
	if (l.failed) {
		(void)err_set(e, ERR_INVALID, "a command is too long");
		goto out;
	}
	if (cmd->trusted && local_repair(lo, e) == -1)
		goto out;
	if (start(&r, &l, e) == -1)
		goto out;
	rc = run_started(&r, e);
	proc_forget(&r.main);
	end->took_ms = (unsigned int)(clock_mono_ms() - began);
out:
	for (int i = 0; i < P_MAIN; i++) {
		if (r.fds[i] != -1)
			(void)close(r.fds[i]);
	}
	if (r.inner_fd != -1)
		(void)close(r.inner_fd);
	buf_clear(&r.status);
	buf_clear(&r.errors);
	free(r.piece);
	free(l.text);
	return rc;
}
