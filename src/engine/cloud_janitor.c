#include "engine/cloud_janitor.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"

#define THEIR_SOCK 3
#define LEAVE_LIMIT_MS 2000
#define AGAIN_MOST_MS 60000

void
cloud_janitor_init(struct cloud_janitor *j)
{
	memset(j, 0, sizeof(*j));
	j->sock = -1;
	j->proc.pidfd = -1;
	j->again.most_ms = AGAIN_MOST_MS;
}

static int
start(struct cloud_janitor *j, const struct config *c, const char *program,
    const char *machine, int theirs, struct err *e)
{
	const char *argv[] = { program, "janitor", "--machine", machine, NULL,
		NULL, NULL };
	const struct proc_fd fds[] = { { STDERR_FILENO, STDERR_FILENO },
		{ theirs, THEIR_SOCK } };
	const struct proc_spec spec = {
		.argv = argv,
		/* Settings in the environment override those of the file. */
		.env = (const char *const *)environ,
		.fds = fds,
		.fd_count = sizeof(fds) / sizeof(fds[0]),
		.new_session = true, /* no terminal's Ctrl-C gets there */
		.low_priority = true,
	};

	if (c->file[0] != '\0') {
		argv[4] = "--config";
		argv[5] = c->file;
	}
	return proc_spawn(&j->proc, &spec, e);
}

void
cloud_janitor_due(struct cloud_janitor *j, const struct config *c,
    const char *program, const char *machine, int64_t now_ms)
{
	struct err e = { 0 };
	int pair[2];

	if (j->sock != -1 || strcmp(config_mode(c), "e2b") != 0 ||
	    !backoff_over(&j->again, now_ms))
		return;
	/* One that does not last is started again less and less often. */
	backoff_fail(&j->again, now_ms);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		(void)err_sys(&e, ERR_RETRY, "socketpair");
		log_err(LOG_ERROR, &e, "cloud janitor");
		return;
	}
	if (start(j, c, program, machine, pair[1], &e) == 0) {
		j->sock = pair[0];
		log_line(LOG_INFO, "janitor started pid=%ld",
		    (long)j->proc.pid);
	} else {
		(void)close(pair[0]);
		log_err(LOG_ERROR, &e, "cloud janitor");
	}
	(void)close(pair[1]);
}

void
cloud_janitor_poke(const struct cloud_janitor *j)
{
	/* One that has many of these to read already will look anyway. */
	if (j->sock != -1)
		(void)send(j->sock, "p", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
cloud_janitor_died(struct cloud_janitor *j, int64_t now_ms)
{
	log_line(LOG_WARN, "janitor gone pid=%ld", (long)j->proc.pid);
	if (backoff_over(&j->again, now_ms))
		backoff_ok(&j->again); /* it has lasted for a while */
	cloud_janitor_close(j);
	backoff_fail(&j->again, now_ms);
}

void
cloud_janitor_close(struct cloud_janitor *j)
{
	struct proc_end end;
	struct err e = { 0 };

	if (j->sock == -1)
		return;
	(void)close(j->sock);
	j->sock = -1;
	if (proc_wait(&j->proc, LEAVE_LIMIT_MS, &end, &e) != 1)
		proc_stop(&j->proc, 0);
	proc_forget(&j->proc);
	j->proc.pidfd = -1;
}
