/* taskmill spawner: forks runners for a reaper. See spool/spawn.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "exec/runner.h"
#include "spool/spawn.h"
#include "util/encode.h"
#include "util/heap.h"
#include "util/log.h"
#include "util/net.h"
#include "util/proc.h"

#define SOCK_FD 3
#define LOG_FILE "runner.log"

/* In the child: the numbers that a runner's descriptors get. */
enum {
	CHILD_SPOOL = 3,
	CHILD_LOCK,
	CHILD_SECRETS,
	CHILD_FIRST_FREE
};

static void
reset_signals(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &usual, NULL); /* KILL, STOP refuse */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Standard input is nothing, output and errors go to the attempt's log (P8). */
static int
set_standard(int spool_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int file = openat(spool_fd, LOG_FILE,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (null == -1 || file == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(file, STDOUT_FILENO) == -1 || dup2(file, STDERR_FILENO) == -1)
		return -1;
	return 0;
}

/*
 * Certificates and libraries are loaded here, once for all runners; the files
 * may have changed since the last one. Whoever needs them says what is wrong.
 */
static void
warm_up(const char *ca_file)
{
	struct err e = { 0 };

	switch (net_warm(ca_file[0] == '\0' ? NULL : ca_file, &e)) {
	case -1:
		log_err(LOG_WARN, &e, "spawner");
		break;
	case 1:
		heap_fill();
		break;
	}
}

/* Puts the three where they belong and closes all else. */
static int
set_descriptors(const struct spawn_request *rq, struct runner_input *in)
{
	const int from[] = { rq->spool_fd, rq->lock_fd, rq->secrets_fd };
	int up[3];

	/* First out of each other's way. */
	for (int i = 0; i < 3; i++) {
		up[i] = fcntl(from[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
		if (up[i] == -1)
			return -1;
	}
	for (int i = 0; i < 3; i++) {
		if (dup3(up[i], CHILD_SPOOL + i, O_CLOEXEC) == -1)
			return -1;
	}
	if (close_range(CHILD_FIRST_FREE, ~0U, 0) == -1)
		return -1;
	*in = (struct runner_input){ CHILD_SPOOL, CHILD_LOCK, CHILD_SECRETS };
	return 0;
}

static int
child(void *ctx)
{
	const struct spawn_request *rq = ctx;
	struct runner_input in;

	reset_signals();
	(void)setsid();
	(void)umask(077);
	(void)prctl(PR_SET_NAME, "taskmill-run", 0L, 0L, 0L);
	if (set_standard(rq->spool_fd) == -1 || fchdir(rq->spool_fd) == -1 ||
	    set_descriptors(rq, &in) == -1)
		return EX_TEMPFAIL;
	return runner_run(&in);
}

static int
serve_one(struct spawn_request *rq, struct err *e)
{
	struct proc p = { 0, -1 };
	struct err why = { 0 };
	int failure = 0, rc;

	errno = 0;
	if (proc_fork(&p, child, rq, &why) == -1) {
		failure = errno == 0 ? EAGAIN : errno;
		log_err(LOG_ERROR, &why, "spawn run=%s", rq->name);
	}
	rc = spawn_answer(SOCK_FD, p.pid, p.pidfd, failure, e);
	proc_forget(&p);
	return rc;
}

static void
close_request(const struct spawn_request *rq)
{
	(void)close(rq->spool_fd);
	(void)close(rq->lock_fd);
	(void)close(rq->secrets_fd);
}

/*
 * Nobody here asks how a runner ended: its spool tells. So the kernel may
 * reap our children by itself; each sets SIGCHLD back for its own.
 */
static void
leave_reaping_to_kernel(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGCHLD, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

static int
serve(const char *ca_file, struct err *e)
{
	struct spawn_request rq;
	int rc;

	if (ca_file != NULL)
		warm_up(ca_file);
	while ((rc = spawn_receive(SOCK_FD, &rq, e)) != 0) {
		if (rc == -1 && e->kind == ERR_BROKEN) {
			log_err(LOG_WARN, e, "spawner");
			continue;
		}
		if (rc == -1)
			break;
		if (ca_file != NULL)
			warm_up(ca_file);
		rc = serve_one(&rq, e);
		close_request(&rq);
		if (rc == -1)
			break;
	}
	return rc;
}

static const char usage[] =
    "usage: taskmill spawner [--of STATE_DIR] [--tls CA_FILE]\n\n"
    "Forks runners. The reaper starts it, with its socket as descriptor 3.\n\n"
    "  --of STATE_DIR  whose it is, for lists of processes; not looked at\n"
    "  --tls CA_FILE   runners speak TLS, and these certificates are loaded\n"
    "                  for all of them; \"\": the system's\n";

struct spawner_args {
	const char *of, *tls;
};

#define AT(field) offsetof(struct spawner_args, field)

static const struct option_row rows[] = {
	{ "of", OPTION_TEXT, AT(of), 0, 0, 0 },
	{ "tls", OPTION_TEXT, AT(tls), 0, 0, 0 },
};

int
cmd_spawner(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct spawner_args args = { 0 };
	struct err e = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	log_open("spawner", LOG_INFO);
	leave_reaping_to_kernel();
	/* Once, for all runners. */
	if (encode_init(&e) == -1 || net_init(&e) == -1) {
		log_err(LOG_ERROR, &e, "spawner");
		return EX_SOFTWARE;
	}
	if (serve(args.tls, &e) == -1) {
		log_err(LOG_ERROR, &e, "spawner");
		return EX_TEMPFAIL;
	}
	return EX_OK;
}
