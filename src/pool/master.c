#include "pool/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/crew.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/notify.h"

/* The first look at the flags is never later than this. */
#define WAIT_MAX_MS 60000

/* What the signals asked for; handlers can only set flags. */
static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reload_asked;
static volatile sig_atomic_t reopen_asked;

static void
on_signal(int sig)
{
	if (sig == SIGHUP)
		reload_asked = 1;
	else if (sig == SIGUSR1)
		reopen_asked = 1;
	else
		stop_asked = 1;
}

static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

static int
block_signals(sigset_t *before)
{
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)sigaddset(&blocked, ours[i]);
	return sigprocmask(SIG_BLOCK, &blocked, before);
}

int
master_hold_signals(struct err *e)
{
	return block_signals(NULL) == 0 ? 0 : err_sys(e, ERR_BROKEN, "signals");
}

/* Blocked everywhere but in the one ppoll; so no flag can be missed. */
static int
set_signals(struct master *m, struct err *e)
{
	struct sigaction act = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (block_signals(&m->idle_mask) != 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) != 0)
		return err_sys(e, ERR_BROKEN, "signals");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		(void)sigdelset(&m->idle_mask, ours[i]);
		if (sigaction(ours[i], &act, NULL) != 0)
			return err_sys(e, ERR_BROKEN, "signals");
	}
	return 0;
}

static void
reload(struct master *m)
{
	struct supervisor_limits limits;
	struct err e = { 0 };
	char state[64];
	int64_t now;

	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)clock_mono_us());
	notify_send(state);
	if (m->o->reload(m->o->ctx, &m->settings, &e) != 0) {
		log_err(LOG_ERROR, &e, "reload refused, nothing changed");
		notify_send("READY=1");
		return;
	}
	now = clock_mono_ms();
	if (m->settings.log_file[0] != '\0' &&
	    log_to_file(m->settings.log_file, &e) != 0)
		log_err(LOG_ERROR, &e, "open log");
	for (size_t i = 0; i < CREW_N; i++) {
		limits = crew_limits(m, i);
		supervisor_reload(&m->crews[i].table, &limits, now);
	}
	m->o->pool.board->reloads++;
	log_line(LOG_INFO, "reloaded workers=%zu", m->settings.workers);
	notify_send("READY=1");
}

static void
reopen(struct master *m)
{
	struct err e = { 0 };

	if (m->settings.log_file[0] == '\0')
		return;
	if (log_to_file(m->settings.log_file, &e) != 0)
		log_err(LOG_ERROR, &e, "open log again");
	for (size_t i = 0; i < CREW_N; i++)
		crew_signal(&m->crews[i], SIGUSR1);
}

/* What waits in an inherited socket is served by whoever is next. */
static void
close_door(const struct master_pool *pool)
{
	if (pool == NULL || pool->listener->lock_fd < 0)
		return;
	pool->board->draining = true;
	listener_unlink(pool->listener);
}

/*
 * First the sockets go from their places, so that nothing new comes; then the
 * workers serve what waits in them already, and leave.
 */
static void
drain(struct master *m)
{
	int64_t now = clock_mono_ms();

	if (m->draining)
		return;
	m->draining = true;
	log_line(LOG_INFO, "stopping");
	notify_send("STOPPING=1");
	for (size_t i = 0; i < CREW_N; i++) {
		close_door(m->crews[i].pool);
		supervisor_drain(&m->crews[i].table, now);
	}
}

static void
obey_signals(struct master *m)
{
	if (stop_asked) {
		stop_asked = 0;
		drain(m);
	}
	if (reload_asked) {
		reload_asked = 0;
		if (!m->draining)
			reload(m);
	}
	if (reopen_asked) {
		reopen_asked = 0;
		reopen(m);
	}
}

/* Takes the ends of all children of a crew that have one. */
static void
reap(struct crew *c)
{
	struct supervisor *s = &c->table;
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++) {
		struct proc_end end = { 0 };
		struct err e = { 0 };
		int got;

		if (s->rows[i].state == ROW_FREE)
			continue;
		got = proc_ended(&c->procs[i], &end, &e);
		if (got == 0)
			continue;
		if (got == -1)
			log_err(LOG_ERROR, &e, "wait for %s", s->name);
		supervisor_ended(s, i, end.code, end.signal, now);
		proc_forget(&c->procs[i]);
	}
}

/* Slots of workers that are no more, and sums for /metrics and /status. */
static void
update_board(const struct crew *c)
{
	struct scoreboard *b = c->pool->board;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (c->table.rows[i].state == ROW_FREE && b->slots[i].pid != 0)
			scoreboard_set(b, i, 0);
	b->deaths = c->table.deaths;
	b->killed = c->table.killed;
	b->crash_loop_until_ms =
	    supervisor_held_until(&c->table, clock_mono_ms());
}

static void
update_boards(struct master *m)
{
	for (size_t i = 0; i < CREW_N; i++)
		if (m->crews[i].pool != NULL)
			update_board(&m->crews[i]);
	if (supervisor_alive(&m->crews[CREW_REAPER].table) == 0)
		m->o->pool.board->reaper_pid = 0;
}

/* The sockets are there, and somebody to answer (Y7). */
static void
announce(struct master *m)
{
	if (m->announced ||
	    supervisor_ready(&m->crews[CREW_WORKERS].table) == 0 ||
	    (m->o->outbound != NULL &&
		supervisor_ready(&m->crews[CREW_OUTBOUND].table) == 0))
		return;
	m->announced = true;
	log_line(LOG_INFO, "ready workers=%zu", m->settings.workers);
	notify_send("READY=1");
}

static size_t
add_pidfds(struct pollfd *fds, const struct crew *c)
{
	size_t n = 0;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (c->table.rows[i].state != ROW_FREE)
			fds[n++] =
			    (struct pollfd){ c->procs[i].pidfd, POLLIN, 0 };
	return n;
}

/* Until a child ends, a signal comes, or until_ms. */
static void
wait_for_news(struct master *m, int64_t until_ms)
{
	struct pollfd fds[CREW_N * SUPERVISOR_ROWS];
	struct timespec limit;
	int64_t ms = until_ms - clock_mono_ms();
	size_t n = 0;

	ms = ms < 0 ? 0 : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
	limit.tv_sec = ms / 1000;
	limit.tv_nsec = ms % 1000 * 1000000;
	for (size_t i = 0; i < CREW_N; i++)
		n += add_pidfds(fds + n, &m->crews[i]);
	if (ppoll(fds, n, &limit, &m->idle_mask) == -1 && errno != EINTR)
		log_line(LOG_ERROR, "ppoll errno=%d", errno);
}

/* Does what is due; when there will be something to do again. */
static int64_t
tick(struct master *m)
{
	int64_t now = clock_mono_ms(), next = INT64_MAX;

	for (size_t i = 0; i < CREW_N; i++) {
		int64_t due = supervisor_tick(&m->crews[i].table, now);

		next = due < next ? due : next;
	}
	return next;
}

static bool
all_gone(const struct master *m)
{
	size_t alive = 0;

	for (size_t i = 0; i < CREW_N; i++)
		alive += supervisor_alive(&m->crews[i].table);
	return alive == 0;
}

static void
supervise(struct master *m)
{
	for (;;) {
		int64_t next = tick(m);

		announce(m);
		if (m->draining && all_gone(m))
			return;
		wait_for_news(m, next);
		for (size_t i = 0; i < CREW_N; i++)
			reap(&m->crews[i]);
		update_boards(m);
		obey_signals(m);
	}
}

static int
check_settings(const struct master_options *o, struct err *e)
{
	const struct master_settings *s = &o->settings;

	if (s->workers < 1 || s->workers > POOL_WANTED_MAX)
		return err_set(e, ERR_INVALID, "API_WORKERS: 1 to %d",
		    POOL_WANTED_MAX);
	if (o->outbound != NULL &&
	    (s->outbound_workers < 1 || s->outbound_workers > POOL_WANTED_MAX))
		return err_set(e, ERR_INVALID, "OUTBOUND_WORKERS: 1 to %d",
		    POOL_WANTED_MAX);
	return 0;
}

int
master_run(const struct master_options *o, struct err *e)
{
	struct master *m;
	int rc = -1;

	if (check_settings(o, e) == -1)
		return -1;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	m->o = o;
	m->settings = o->settings;
	if (pipe2(m->lifeline, O_CLOEXEC) != 0) {
		(void)err_sys(e, ERR_RETRY, "lifeline");
		goto out;
	}
	if (set_signals(m, e) == 0) {
		crews_set_up(m);
		supervise(m);
		log_line(LOG_INFO, "stopped");
		rc = 0;
	}
	(void)close(m->lifeline[0]);
	(void)close(m->lifeline[1]);
out:
	free(m);
	return rc;
}
