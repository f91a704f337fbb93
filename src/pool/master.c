#include "pool/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

/* A set of equal children, and their processes by the supervisor's rows. */
struct crew {
	struct master *m;
	const struct master_pool *pool; /* NULL: no workers */
	struct supervisor table;
	struct proc procs[SUPERVISOR_ROWS];
};

enum {
	CREW_WORKERS,
	CREW_OUTBOUND,
	CREW_REAPER,
	CREW_FETCHER,
	CREW_N
};

struct master {
	const struct master_options *o;
	struct master_settings settings;
	struct crew crews[CREW_N];
	int lifeline[2]; /* nobody writes; that it closes is the message */
	sigset_t idle_mask;
	bool announced; /* readiness, to systemd */
	bool draining;
};

/* What a child needs to know of the moment of its birth. */
struct birth {
	const struct crew *crew;
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
	const struct master_pool *pool = b->crew->pool;
	const struct master_options *o = b->crew->m->o;
	struct worker_place place = {
		.listen_fd = pool->listener->fd,
		.lifeline_fd = b->crew->m->lifeline[0],
		.board = pool->board,
		.slot = b->row,
	};

	close_all_but(place.listen_fd, place.lifeline_fd);
	return pool->worker(o->ctx, &place);
}

static int
start_worker(void *ctx, size_t row, struct err *e)
{
	struct crew *c = ctx;
	struct birth b = { c, row };

	/* Before the fork, since from then on the slot is the worker's. */
	scoreboard_set(c->pool->board, row, getpid());
	if (proc_fork(&c->procs[row], live_worker, &b, e) != 0) {
		scoreboard_set(c->pool->board, row, 0);
		return -1;
	}
	c->pool->board->slots[row].pid = c->procs[row].pid;
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
signal_child(void *ctx, size_t row, int sig)
{
	const struct crew *c = ctx;

	send_signal(&c->procs[row], sig);
}

static bool
worker_ready(void *ctx, size_t row)
{
	const struct crew *c = ctx;

	return c->pool->board->slots[row].state != WORKER_NONE;
}

static int64_t
worker_busy_since(void *ctx, size_t row)
{
	const struct crew *c = ctx;
	const struct worker_slot *s = &c->pool->board->slots[row];

	return s->state == WORKER_BUSY ? s->since_ms : 0;
}

static int
start_reaper(void *ctx, size_t row, struct err *e)
{
	struct crew *c = ctx;
	const struct master_options *o = c->m->o;

	if (o->start_reaper(o->ctx, c->m->lifeline[0], &c->procs[row], e) != 0)
		return -1;
	o->pool.board->reaper_pid = c->procs[row].pid;
	return 0;
}

static int
start_fetcher(void *ctx, size_t row, struct err *e)
{
	struct crew *c = ctx;
	const struct master_options *o = c->m->o;

	return o->start_fetcher(o->ctx, c->m->lifeline[0], &c->procs[row], e);
}

static struct supervisor_limits
limits_of(const struct master *m, size_t crew)
{
	const struct master_settings *s = &m->settings;
	long limit_s =
	    crew == CREW_OUTBOUND ? s->outbound_limit_s : s->request_limit_s;
	struct supervisor_limits l = { .leave_ms =
					   (limit_s + LEAVE_GRACE_S) * 1000 };

	switch (crew) {
	case CREW_WORKERS:
		l.wanted = s->workers;
		l.busy_ms = limit_s * 1000;
		break;
	case CREW_OUTBOUND:
		l.wanted = m->o->outbound != NULL ? s->outbound_workers : 0;
		l.busy_ms = limit_s * 1000;
		break;
	case CREW_FETCHER:
		l.wanted =
		    m->o->start_fetcher != NULL && s->fetches_keys ? 1 : 0;
		l.stop_first = true;
		break;
	default:
		/* Two reapers would only compete: the old one goes first. */
		l.wanted = m->o->start_reaper != NULL ? 1 : 0;
		l.stop_first = true;
		break;
	}
	return l;
}

static void
set_up_crews(struct master *m)
{
	static const char *const names[] = { "worker", "outbound worker",
		"reaper", "key fetcher" };
	const struct master_pool *const pools[] = { &m->o->pool, m->o->outbound,
		NULL, NULL };

	for (size_t i = 0; i < CREW_N; i++) {
		struct crew *c = &m->crews[i];
		const struct supervisor_limits limits = limits_of(m, i);
		const struct supervisor_ops workers = {
			.start = start_worker,
			.signal = signal_child,
			.ready = worker_ready,
			.busy_since_ms = worker_busy_since,
			.ctx = c,
		};
		const struct supervisor_ops alone = {
			.start =
			    i == CREW_REAPER ? start_reaper : start_fetcher,
			.signal = signal_child,
			.ctx = c,
		};

		c->m = m;
		c->pool = pools[i];
		supervisor_init(&c->table, names[i],
		    c->pool == NULL ? &alone : &workers, &limits);
	}
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
		limits = limits_of(m, i);
		supervisor_reload(&m->crews[i].table, &limits, now);
	}
	m->o->pool.board->reloads++;
	log_line(LOG_INFO, "reloaded workers=%zu", m->settings.workers);
	notify_send("READY=1");
}

static void
signal_all(const struct crew *c, int sig)
{
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (c->table.rows[i].state != ROW_FREE)
			send_signal(&c->procs[i], sig);
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
		signal_all(&m->crews[i], SIGUSR1);
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
		set_up_crews(m);
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
