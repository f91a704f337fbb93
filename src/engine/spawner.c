#include "engine/spawner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/spawn.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"

#define SELF "/proc/self/exe"
#define REPLY_LIMIT_MS 20000 /* about one; but on a very busy machine */
#define LEAVE_LIMIT_MS 1000
#define ENV_MAX 8

/* Variables that the spawner, and so every runner, keeps from us. */
static const char *const kept[] = {
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
	"LSAN_OPTIONS",
#ifdef TASKMILL_FAULTS
	"TASKMILL_FAULT",
	"TASKMILL_FAULT_ONCE",
#endif
};

#define KEPT_N (sizeof(kept) / sizeof(kept[0]))

/*
 * The path looks better in a list of processes; but once an upgrade has put
 * another file there, only the link still names what we are.
 */
int
spawner_init(struct spawner *s, const char *state_dir, const char *ca_file,
    struct err *e)
{
	struct stat self, named;
	ssize_t n;

	memset(s, 0, sizeof(*s));
	s->sock = -1;
	s->ca_file = ca_file;
	s->state_dir = state_dir;
	s->proc.pidfd = -1;
	n = readlink(SELF, s->program, sizeof(s->program) - 1);
	if (n == -1)
		return err_sys(e, ERR_BROKEN, SELF);
	s->program[n] = '\0';
	if (stat(SELF, &self) == -1)
		return err_sys(e, ERR_BROKEN, SELF);
	if (stat(s->program, &named) == -1 || named.st_dev != self.st_dev ||
	    named.st_ino != self.st_ino)
		(void)snprintf(s->program, sizeof(s->program), SELF);
	return 0;
}

/* "NAME=value" of what is kept and set; freed with env_free(). */
static int
env_make(char *env[KEPT_N + 2], struct err *e)
{
	size_t n = 0;

	memset(env, 0, (KEPT_N + 2) * sizeof(env[0]));
	if ((env[n++] = strdup("PATH=/usr/local/bin:/usr/bin:/bin")) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	for (size_t i = 0; i < KEPT_N; i++) {
		const char *value = getenv(kept[i]);

		if (value == NULL)
			continue;
		if (asprintf(&env[n], "%s=%s", kept[i], value) == -1) {
			env[n] = NULL;
			return err_set(e, ERR_RETRY, "out of memory");
		}
		n++;
	}
	return 0;
}

static void
env_free(char **env)
{
	for (; *env != NULL; env++)
		free(*env);
}

static int
start(struct spawner *s, int theirs, struct err *e)
{
	const char *const argv[] = { s->program, "spawner", "--of",
		s->state_dir, s->ca_file == NULL ? NULL : "--tls", s->ca_file,
		NULL };
	const struct proc_fd fds[] = { { STDERR_FILENO, STDERR_FILENO },
		{ theirs, 3 } };
	char *env[KEPT_N + 2];
	const char *borrowed[KEPT_N + 2];
	struct proc_spec spec = {
		.argv = argv,
		.env = borrowed,
		.fds = fds,
		.fd_count = sizeof(fds) / sizeof(fds[0]),
		.new_session = true, /* no terminal's Ctrl-C gets there */
	};
	int rc = -1;

	if (env_make(env, e) == -1)
		goto out;
	memcpy(borrowed, env, sizeof(env));
	rc = proc_spawn(&s->proc, &spec, e);
out:
	env_free(env);
	return rc;
}

int
spawner_ready(struct spawner *s, int64_t now_ms, struct err *e)
{
	int pair[2];

	if (s->sock != -1)
		return 0;
	if (!backoff_over(&s->again, now_ms))
		return err_set(e, ERR_RETRY, "the spawner keeps dying");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return err_sys(e, ERR_RETRY, "socketpair");
	if (start(s, pair[1], e) == -1) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		backoff_fail(&s->again, now_ms);
		return err_wrap(e, "spawner");
	}
	(void)close(pair[1]);
	s->sock = pair[0];
	log_line(LOG_INFO, "spawner started pid=%ld", (long)s->proc.pid);
	return 0;
}

int
spawner_spawn(struct spawner *s, const struct spawn_order *o, pid_t *pid,
    int *pidfd, struct err *e)
{
	struct err gone = { 0 };

	FAULT_POINT("spawn.before_fork");
	if (spawn_request(s->sock, o->name, o->spool_fd, o->lock_fd,
		o->secrets_fd, e) == -1 ||
	    spawn_reply(s->sock, REPLY_LIMIT_MS, pid, pidfd, e) == -1) {
		/* A late answer would be taken for the next one's. */
		(void)!proc_signal(&s->proc, SIGKILL, &gone);
		spawner_died(s, clock_mono_ms());
		return -1;
	}
	FAULT_POINT("spawn.after_fork");
	backoff_ok(&s->again);
	return 0;
}

void
spawner_died(struct spawner *s, int64_t now_ms)
{
	log_line(LOG_WARN, "spawner gone pid=%ld", (long)s->proc.pid);
	backoff_fail(&s->again, now_ms);
	spawner_close(s);
}

void
spawner_close(struct spawner *s)
{
	struct proc_end end;
	struct err e = { 0 };

	if (s->sock == -1)
		return;
	(void)close(s->sock);
	s->sock = -1;
	if (proc_wait(&s->proc, LEAVE_LIMIT_MS, &end, &e) != 1)
		proc_stop(&s->proc, 0);
	proc_forget(&s->proc);
}
