/*
 * taskmill janitor: ends the cloud sandboxes that no live attempt owns
 * (reliability 9). A process of the reaper's, which itself calls nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/cloud_config.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/orphans.h"
#include "engine/timer.h"
#include "store/machine.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/net.h"

static const char usage[] =
    "usage: taskmill janitor --machine ID [--config FILE]\n\n"
    "Ends cloud sandboxes of this deployment that no live attempt owns. The\n"
    "reaper starts it, with its socket as descriptor 3. For people there is\n"
    "taskmill sandbox.\n";

#define SOCK_FD 3
#define LOCK_FILE "janitor.lock"
#define LOCK_EVERY_MS 200
#define MS_PER_S 1000

/* Between looks, however often the reaper asks for one. */
#define LEAST_MS 500

/* After a look that failed; doubling, up to this many intervals. */
#define AGAIN_MS 2000
#define AGAIN_INTERVALS 5

/* Kills in a row that did not work: the service is not well. */
#define FAILED_MAX 3

struct janitor {
	struct admin admin;
	const char *machine;
	char deployment[CONFIG_DEPLOYMENT];
	struct sandbox_e2b set;
	struct sandbox_host host;
	struct orphans orphans;
	struct backoff again;
	bool poked, over;
};

/* One look on its way. */
struct look {
	struct janitor *j;
	struct cloud *cloud;
	unsigned int seen, killed, failed;
	unsigned int in_a_row; /* that failed */
};

/* What the reaper has to say; true once it is gone. */
static bool
reaper_gone(void *ctx)
{
	struct janitor *j = ctx;
	char word[16];
	ssize_t n;

	while (!j->over) {
		n = recv(SOCK_FD, word, sizeof(word), MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0)
			j->over = true;
		else
			j->poked = true;
	}
	return j->over;
}

/*
 * Waits until due_ms; or only until poked_ms, when the reaper asks for a look.
 * False: leave.
 */
static bool
wait_until(struct janitor *j, int64_t due_ms, int64_t poked_ms)
{
	struct pollfd fd = { SOCK_FD, POLLIN, 0 };
	int64_t left;

	while (!reaper_gone(j)) {
		if (j->poked && due_ms > poked_ms)
			due_ms = poked_ms;
		left = due_ms - clock_mono_ms();
		if (left <= 0)
			return true;
		(void)poll(&fd, 1, left > 60000 ? 60000 : (int)left);
	}
	return false;
}

static const char *
why_orphan(const struct cloud_box *box, enum standing s)
{
	return !box->marked      ? "no attempt in its metadata"
	    : s == STANDING_OVER ? "attempt is over"
				 : "no such attempt";
}

/* -1: there is no use in going on with this look. */
static int
kill_box(struct look *l, const struct cloud_box *box, const char *why,
    struct err *e)
{
	struct err failed = { 0 };

	if (cloud_kill(l->cloud, box->id, &failed) == 0) {
		l->killed++;
		l->in_a_row = 0;
		log_line(LOG_WARN,
		    "sandbox killed id=%s task=%jd attempt=%u paused=%d "
		    "why=" LOG_STR,
		    box->id, (intmax_t)box->task_id, box->attempt, box->paused,
		    log_str(why));
		return 0;
	}
	if (failed.kind == ERR_ABSENT)
		return 0; /* somebody was quicker */
	l->failed++;
	log_err(LOG_WARN, &failed, "sandbox stays id=%s", box->id);
	if (++l->in_a_row < FAILED_MAX && !l->j->over)
		return 0;
	*e = failed;
	return -1;
}

static int
see_box(void *ctx, const struct cloud_box *box, struct err *e)
{
	struct look *l = ctx;
	const struct hold h = { box->task_id, box->attempt };
	enum standing s = STANDING_UNKNOWN;

	l->seen++;
	if (box->marked && standing_of(l->j->admin.db, &h, &s, e) == -1)
		return err_wrap(e, "ask for an attempt");
	if (!orphans_judge(&l->j->orphans, box->id, s, clock_mono_ms()))
		return 0;
	return kill_box(l, box, why_orphan(box, s), e);
}

/* All sandboxes, once. Its handles are its own, so that it rests on little. */
static int
look(struct janitor *j, struct err *e)
{
	struct look l = { .j = j };
	int rc;

	orphans_begin(&j->orphans);
	if (cloud_open(&l.cloud, &j->set, &j->host, e) == -1)
		return -1;
	rc = cloud_list(l.cloud, false, see_box, &l, e);
	if (rc == 0)
		orphans_end(&j->orphans);
	if (rc == 0 || l.killed > 0) {
		struct err unsaid = { 0 };

		/* A number for people: not worth a failure. */
		if (machine_cloud_note(j->admin.db, j->machine, rc == 0, l.seen,
			l.killed, &unsaid) == -1)
			log_err(LOG_WARN, &unsaid, "look not noted");
	}
	if (rc == 0 && l.failed > 0)
		rc = err_set(e, ERR_RETRY, "%u sandboxes could not be ended",
		    l.failed);
	log_line(LOG_DEBUG, "look sandboxes=%u killed=%u", l.seen, l.killed);
	cloud_close(l.cloud);
	return rc;
}

/* The database's connection, too, is of one look. */
static int
look_connected(struct janitor *j, struct err *e)
{
	int rc;

	if (admin_connect(&j->admin, e) == -1)
		return -1;
	rc = look(j, e);
	admin_disconnect(&j->admin);
	(void)malloc_trim(0);
	return rc;
}

/* Waits for the next look. False: leave. */
static bool
rest(struct janitor *j, bool well)
{
	int64_t every_ms = j->admin.cfg.e2b_janitor_s * MS_PER_S;
	int64_t now_ms = clock_mono_ms();

	if (well) {
		backoff_ok(&j->again);
		return wait_until(j, now_ms + jittered(every_ms),
		    now_ms + LEAST_MS);
	}
	/* However much there is to do: it does not work now. */
	backoff_fail(&j->again, now_ms + AGAIN_MS);
	return wait_until(j, j->again.until_ms, j->again.until_ms);
}

static void
keep_looking(struct janitor *j)
{
	bool well;

	do {
		struct err e = { 0 };

		j->poked = false;
		well = look_connected(j, &e) == 0;
		if (!well && !j->over)
			log_err(LOG_WARN, &e, "sandboxes not looked at");
	} while (rest(j, well));
}

/* One a machine: the one of a reaper that has died may need a moment. */
static int
take_lock(struct janitor *j, struct err *e)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/" LOCK_FILE,
	    j->admin.cfg.state_dir);
	while ((fd = file_lock(AT_FDCWD, path, e)) == -2)
		if (!wait_until(j, clock_mono_ms() + LOCK_EVERY_MS, INT64_MAX))
			break;
	return fd;
}

static int
run(struct janitor *j, struct err *e)
{
	const struct config *c = &j->admin.cfg;
	int lock;

	log_open("janitor", log_level_of(c->log_level));
	if (c->log_file[0] != '\0' && log_to_file(c->log_file, e) == -1)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN); /* U11 */
	if (fd_cloexec(SOCK_FD, true, e) == -1 || net_init(e) == -1 ||
	    cloud_config(&j->set, c, j->deployment, e) == -1)
		return -1;
	j->host = (struct sandbox_host){ .stop = reaper_gone,
		.wake_fd = SOCK_FD,
		.ctx = j };
	j->again.most_ms = c->e2b_janitor_s * MS_PER_S * AGAIN_INTERVALS;
	orphans_init(&j->orphans, c->e2b_janitor_s * MS_PER_S / 2);
	if ((lock = take_lock(j, e)) == -1)
		return -1;
	if (lock >= 0)
		keep_looking(j);
	orphans_clear(&j->orphans);
	if (lock >= 0)
		(void)close(lock);
	net_end();
	return 0;
}

struct janitor_args {
	const char *config, *machine;
};

#define AT(field) offsetof(struct janitor_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "machine", OPTION_TEXT, AT(machine), 0, 0, 0 },
};

int
cmd_janitor(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct janitor_args args = { 0 };
	struct janitor j = { 0 };
	struct err e = { 0 };
	int rc, status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if ((j.machine = args.machine) == NULL)
		return cmd_usage(usage);
	if (admin_open(&j.admin, args.config, &e) == -1)
		return cmd_fail("janitor", &e);
	rc = run(&j, &e);
	admin_close(&j.admin);
	return rc == -1 ? cmd_fail("janitor", &e) : EX_OK;
}
