#include "pool/crew.h"

#include <unistd.h>

#include "util/fault.h"
#include "util/log.h"

/* What is granted to a child beyond its longest request, before SIGKILL. */
#define LEAVE_GRACE_S 5

/* What a child needs to know of the moment of its birth. */
struct birth {
	const struct crew *crew;
	size_t row;
};

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

struct supervisor_limits
crew_limits(const struct master *m, size_t crew)
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

void
crews_set_up(struct master *m)
{
	static const char *const names[] = { "worker", "outbound worker",
		"reaper", "key fetcher" };
	const struct master_pool *const pools[] = { &m->o->pool, m->o->outbound,
		NULL, NULL };

	for (size_t i = 0; i < CREW_N; i++) {
		struct crew *c = &m->crews[i];
		const struct supervisor_limits limits = crew_limits(m, i);
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

void
crew_signal(const struct crew *c, int sig)
{
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (c->table.rows[i].state != ROW_FREE)
			send_signal(&c->procs[i], sig);
}
