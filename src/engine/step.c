/* One look at one run: gather the facts, decide, act. */
#include <signal.h>

#include "engine/impl.h"
#include "util/clock.h"
#include "util/log.h"

#define SHIP_BUDGET 4
#define LOOK_MS 1000   /* how often a result of a live runner is looked for */
#define LINGER_MS 5000 /* from its result to its end */
#define SUPERSEDED_GRACE_MS 10000

/* Beyond the agent's own grace: to collect, write a result and clean up. */
#define CANCEL_EXTRA_MS 1500

static enum stop_stage
stop_stage(const struct run *r, int64_t now_ms)
{
	if (r->kill_ms == 0)
		return STOP_NONE;
	return now_ms < r->kill_ms ? STOP_ASKED : STOP_OVERDUE;
}

static void
look_for_result(struct run *r, int64_t now_ms)
{
	if (r->result_ms != 0 || now_ms < r->look_ms)
		return;
	r->look_ms = now_ms + LOOK_MS;
	if (spool_has_result(r->dirfd))
		r->result_ms = now_ms;
}

static struct facts
gather(struct engine *g, struct run *r, int64_t now_ms)
{
	struct facts f = {
		.row = r->row,
		.stop = stop_stage(r, now_ms),
		.alive = run_alive(r),
		.cut_off = link_cut_off(g, r, now_ms),
	};

	if (f.alive) {
		look_for_result(r, now_ms);
		f.result = r->result_ms != 0;
		f.lingers = f.result && now_ms - r->result_ms > LINGER_MS;
	} else {
		f.result = spool_has_result(r->dirfd);
		/* A push is quick, and may be done again. */
		f.resumable =
		    !f.result && job_of(&r->hold)->ships && run_may_resume(r);
	}
	return f;
}

static void
ask_row(struct engine *g, struct run *r, bool alive, int64_t now_ms)
{
	enum hold_state state = HOLD_SUPERSEDED;
	struct err e = { 0 };

	if (alive) {
		ship_renew(g, r, now_ms);
		return;
	}
	if (job_of(&r->hold)->hold_state(g->db, &r->hold, &state, &e) == -1) {
		link_failed(g, &e, "ask for a task");
		return;
	}
	link_worked(g, now_ms);
	r->row = state == HOLD_SUPERSEDED ? ROW_SUPERSEDED
	    : state == HOLD_CANCEL        ? ROW_CANCEL
					  : ROW_OURS;
	r->nudge = g->busy = true;
}

static void
follow(struct engine *g, struct run *r, int64_t now_ms)
{
	if (now_ms >= r->renew_ms)
		ship_renew(g, r, now_ms);
	if (r->row == ROW_SUPERSEDED || !job_of(&r->hold)->ships ||
	    !link_ready(g, now_ms) || !run_has_news(r))
		return;
	if (ship_run(g, r, SHIP_BUDGET) == SHIP_MORE) {
		run_forget_news(r);
		r->nudge = g->busy = true;
	}
}

/* TERM; a stopped process takes it only when it is continued. */
static void
ask_to_stop(const struct engine *g, struct run *r, int64_t now_ms)
{
	if (r->proc.pidfd == -1)
		return; /* its pid is not known yet: next time */
	log_line(LOG_INFO, "run stop run=%s pid=%ld why=%s", r->name,
	    (long)r->proc.pid,
	    r->row == ROW_CANCEL     ? "cancelled"
		: r->row == ROW_OURS ? "lingers"
				     : "superseded");
	run_signal(r, SIGTERM);
	run_signal(r, SIGCONT);
	r->kill_ms = now_ms +
	    (r->row == ROW_CANCEL ? g->config->cancel_grace_ms + CANCEL_EXTRA_MS
				  : SUPERSEDED_GRACE_MS);
}

static void
kill_run(struct run *r)
{
	if (!r->killed)
		log_line(LOG_WARN, "run kill run=%s pid=%ld", r->name,
		    (long)r->proc.pid);
	run_signal(r, SIGKILL);
	r->killed = true;
}

static const char *
why_lost(const struct run *r)
{
	if (r->killed)
		return "it did not stop and was killed";
	return r->began ? "its process died" : "it could not be started";
}

/* What needs the database. */
static void
act(struct engine *g, struct run *r, const struct facts *f, enum action action,
    int64_t now_ms)
{
	if (!link_ready(g, now_ms) || now_ms < r->retry_ms)
		return;
	switch (action) {
	case ACT_ASK:
		ask_row(g, r, f->alive, now_ms);
		break;
	case ACT_DELIVER:
		finish_deliver(g, r);
		break;
	case ACT_RESUME:
		start_resumed(g, r);
		break;
	case ACT_LOST:
		finish_lost(g, r, why_lost(r));
		break;
	case ACT_FOLLOW:
	case ACT_TERM:
		if (r->row != ROW_SUPERSEDED)
			follow(g, r, now_ms);
		break;
	case ACT_WAIT:
	case ACT_KILL:
	case ACT_DROP:
		break;
	}
}

void
step_run(struct engine *g, struct run *r, int64_t now_ms)
{
	enum action action;
	struct facts f;

	r->nudge = false;
	if (r->cleaning) {
		finish_clean(g, r);
		return;
	}
	f = gather(g, r, now_ms);
	action = decide(&f);
	switch (action) {
	case ACT_TERM:
		ask_to_stop(g, r, now_ms);
		break;
	case ACT_KILL:
		kill_run(r);
		break;
	case ACT_DROP:
		finish_drop(g, r);
		break;
	case ACT_ASK:
	case ACT_FOLLOW:
	case ACT_WAIT:
	case ACT_DELIVER:
	case ACT_RESUME:
	case ACT_LOST:
		break;
	}
	act(g, r, &f, action, now_ms);
}
