#include "pool/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/supervisor.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/notify.h"

/* What is granted to a child beyond its longest request, before SIGKILL. */
#define LEAVE_GRACE_S 5

/* The first look at the flags is never later than this. */
#define WAIT_MAX_MS 60000

/* What the signals asked for; handlers can only set flags. */
static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reload_asked;
static volatile sig_atomic_t reopen_asked;

struct master {
	const struct master_options *o;
	struct master_settings settings;
	struct supervisor workers;
	struct supervisor reaper;
	struct proc worker_procs[SUPERVISOR_ROWS];
	struct proc reaper_procs[SUPERVISOR_ROWS];
	int lifeline[2]; /* nobody writes; that it closes is the message */
	sigset_t idle_mask;
	bool announced; /* readiness, to systemd */
	bool draining;
};

/* What a child needs to know of the moment of its birth. */
struct birth {
	struct master *m;
	size_t row;
};

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

/* Blocked everywhere but in the one ppoll; so no flag can be missed. */
static int
set_signals(struct master *m, struct err *e)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	struct sigaction act = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)sigaddset(&blocked, ours[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, &m->idle_mask) != 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) != 0)
		return err_sys(e, ERR_BROKEN, "signals");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		(void)sigdelset(&m->idle_mask, ours[i]);
		if (sigaction(ours[i], &act, NULL) != 0)
			return err_sys(e, ERR_BROKEN, "signals");
	}
	return 0;
}

/*
 * A worker keeps the listener and its end of the lifeline, and nothing else of
 * the master's: not the lock of the socket, which would outlive the master in
 * it, and not the other end of the lifeline, which would then never close.
 */
static void
close_all_but(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		(void)close_range(3, (unsigned int)low - 1, 0);
	if (high > low + 1)
		(void)close_range((unsigned int)(low > 2 ? low + 1 : 3),
		    (unsigned int)high - 1, 0);
	(void)close_range((unsigned int)high + 1, ~0U, 0);
}

static int
live_worker(void *ctx)
{
	const struct birth *b = ctx;
	const struct master_options *o = b->m->o;
	struct worker_place place = {
		.listen_fd = o->listener->fd,
		.lifeline_fd = b->m->lifeline[0],
		.board = o->board,
		.slot = b->row,
	};

	close_all_but(place.listen_fd, place.lifeline_fd);
	return o->worker(o->ctx, &place);
}

static int
start_worker(void *ctx, size_t row, struct err *e)
{
	struct master *m = ctx;
	struct birth b = { m, row };

	/* Before the fork, since from then on the slot is the worker's. */
	scoreboard_set(m->o->board, row, getpid());
	if (proc_fork(&m->worker_procs[row], live_worker, &b, e) != 0) {
		scoreboard_set(m->o->board, row, 0);
		return -1;
	}
	m->o->board->slots[row].pid = m->worker_procs[row].pid;
	FAULT_POINT("master.after_fork");
	return 0;
}

static void
send_signal(const struct proc *p, int sig)
{
	struct err e = { 0 };

	if (proc_signal(p, sig, &e) != 0 && e.kind != ERR_ABSENT)
		log_err(LOG_WARN, &e, "signal pid=%ld", (long)p->pid);
}

static void
signal_worker(void *ctx, size_t row, int sig)
{
	struct master *m = ctx;

	send_signal(&m->worker_procs[row], sig);
}

static bool
worker_ready(void *ctx, size_t row)
{
	struct master *m = ctx;

	return m->o->board->slots[row].state != WORKER_NONE;
}

static int64_t
worker_busy_since(void *ctx, size_t row)
{
	struct master *m = ctx;
	const struct worker_slot *s = &m->o->board->slots[row];

	return s->state == WORKER_BUSY ? s->since_ms : 0;
}

static int
start_reaper(void *ctx, size_t row, struct err *e)
{
	struct master *m = ctx;

	if (m->o->start_reaper(m->o->ctx, m->lifeline[0], &m->reaper_procs[row],
		e) != 0)
		return -1;
	m->o->board->reaper_pid = m->reaper_procs[row].pid;
	return 0;
}

static void
signal_reaper(void *ctx, size_t row, int sig)
{
	struct master *m = ctx;

	send_signal(&m->reaper_procs[row], sig);
}

static struct supervisor_limits
worker_limits(const struct master *m)
{
	return (struct supervisor_limits){
		.wanted = m->settings.workers,
		.busy_ms = m->settings.request_limit_s * 1000,
		.leave_ms =
		    (m->settings.request_limit_s + LEAVE_GRACE_S) * 1000,
	};
}

/* One at a time: two reapers would only compete, so the old one goes first. */
static struct supervisor_limits
reaper_limits(const struct master *m)
{
	return (struct supervisor_limits){
		.wanted = m->o->start_reaper != NULL ? 1 : 0,
		.leave_ms =
		    (m->settings.request_limit_s + LEAVE_GRACE_S) * 1000,
		.stop_first = true,
	};
}

static void
set_up_supervisors(struct master *m)
{
	const struct supervisor_ops workers = {
		.start = start_worker,
		.signal = signal_worker,
		.ready = worker_ready,
		.busy_since_ms = worker_busy_since,
		.ctx = m,
	};
	const struct supervisor_ops reaper = {
		.start = start_reaper,
		.signal = signal_reaper,
		.ctx = m,
	};
	struct supervisor_limits limits = worker_limits(m);

	supervisor_init(&m->workers, "worker", &workers, &limits);
	limits = reaper_limits(m);
	supervisor_init(&m->reaper, "reaper", &reaper, &limits);
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
	limits = worker_limits(m);
	supervisor_reload(&m->workers, &limits, now);
	limits = reaper_limits(m);
	supervisor_reload(&m->reaper, &limits, now);
	m->o->board->reloads++;
	log_line(LOG_INFO, "reloaded workers=%zu", m->settings.workers);
	notify_send("READY=1");
}

static void
signal_all(const struct supervisor *s, const struct proc *procs, int sig)
{
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state != ROW_FREE)
			send_signal(&procs[i], sig);
}

static void
reopen(struct master *m)
{
	struct err e = { 0 };

	if (m->settings.log_file[0] == '\0')
		return;
	if (log_to_file(m->settings.log_file, &e) != 0)
		log_err(LOG_ERROR, &e, "open log again");
	signal_all(&m->workers, m->worker_procs, SIGUSR1);
	signal_all(&m->reaper, m->reaper_procs, SIGUSR1);
}

/*
 * First the socket goes from its place, so that nothing new comes; then the
 * workers serve what waits in it already, and leave.
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

	/* What waits in an inherited socket is served by whoever is next. */
	if (m->o->listener->lock_fd >= 0) {
		m->o->board->draining = true;
		listener_unlink(m->o->listener);
	}
	supervisor_drain(&m->workers, now);
	supervisor_drain(&m->reaper, now);
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

/* Takes the ends of all children of s that have one. */
static void
reap(struct supervisor *s, struct proc *procs)
{
	int64_t now = clock_mono_ms();

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++) {
		struct proc_end end = { 0 };
		struct err e = { 0 };
		int got;

		if (s->rows[i].state == ROW_FREE)
			continue;
		got = proc_ended(&procs[i], &end, &e);
		if (got == 0)
			continue;
		if (got == -1)
			log_err(LOG_ERROR, &e, "wait for %s", s->name);
		supervisor_ended(s, i, end.code, end.signal, now);
		proc_forget(&procs[i]);
	}
}

/* Slots of workers that are no more, and sums for /metrics and /status. */
static void
update_board(struct master *m)
{
	struct scoreboard *b = m->o->board;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (m->workers.rows[i].state == ROW_FREE &&
		    b->slots[i].pid != 0)
			scoreboard_set(b, i, 0);
	b->deaths = m->workers.deaths;
	b->killed = m->workers.killed;
	b->crash_loop_until_ms =
	    supervisor_held_until(&m->workers, clock_mono_ms());
	if (supervisor_alive(&m->reaper) == 0)
		b->reaper_pid = 0;
}

/* The socket is there, and somebody to answer (Y7). */
static void
announce(struct master *m)
{
	if (m->announced || supervisor_ready(&m->workers) == 0)
		return;
	m->announced = true;
	log_line(LOG_INFO, "ready workers=%zu", m->settings.workers);
	notify_send("READY=1");
}

static size_t
add_pidfds(struct pollfd *fds, const struct supervisor *s,
    const struct proc *procs)
{
	size_t n = 0;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (s->rows[i].state != ROW_FREE)
			fds[n++] = (struct pollfd){ procs[i].pidfd, POLLIN, 0 };
	return n;
}

/* Until a child ends, a signal comes, or until_ms. */
static void
wait_for_news(struct master *m, int64_t until_ms)
{
	struct pollfd fds[2 * SUPERVISOR_ROWS];
	struct timespec limit;
	int64_t ms = until_ms - clock_mono_ms();
	size_t n;

	ms = ms < 0 ? 0 : ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
	limit.tv_sec = ms / 1000;
	limit.tv_nsec = ms % 1000 * 1000000;
	n = add_pidfds(fds, &m->workers, m->worker_procs);
	n += add_pidfds(fds + n, &m->reaper, m->reaper_procs);
	if (ppoll(fds, n, &limit, &m->idle_mask) == -1 && errno != EINTR)
		log_line(LOG_ERROR, "ppoll errno=%d", errno);
}

static void
supervise(struct master *m)
{
	for (;;) {
		int64_t now = clock_mono_ms();
		int64_t next = supervisor_tick(&m->workers, now);
		int64_t reaper_next = supervisor_tick(&m->reaper, now);

		announce(m);
		if (m->draining && supervisor_alive(&m->workers) == 0 &&
		    supervisor_alive(&m->reaper) == 0)
			return;
		wait_for_news(m, next < reaper_next ? next : reaper_next);
		reap(&m->workers, m->worker_procs);
		reap(&m->reaper, m->reaper_procs);
		update_board(m);
		obey_signals(m);
	}
}

int
master_run(const struct master_options *o, struct err *e)
{
	struct master m = { .o = o, .settings = o->settings };

	if (m.settings.workers < 1 || m.settings.workers > POOL_WANTED_MAX)
		return err_set(e, ERR_INVALID, "API_WORKERS: 1 to %d",
		    POOL_WANTED_MAX);
	if (pipe2(m.lifeline, O_CLOEXEC) != 0)
		return err_sys(e, ERR_RETRY, "lifeline");
	if (set_signals(&m, e) == 0) {
		set_up_supervisors(&m);
		supervise(&m);
		log_line(LOG_INFO, "stopped");
	}
	(void)close(m.lifeline[0]);
	(void)close(m.lifeline[1]);
	return m.draining ? 0 : -1;
}
