/* How attempts end: delivered, lost, or dropped. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "engine/finish_defer.h"
#include "engine/impl.h"
#include "engine/leftover.h"
#include "engine/outcome.h"
#include "engine/runner_log.h"
#include "engine/workspace.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/log.h"

#define SHIP_BUDGET 8
#define CLEAN_LIMIT_MS 60000
#define FAULTS_MAX 3 /* then the result is given up, not the task */

/* The attempt is over in the database: nothing of it may stay here. */
static void
clean(struct engine *g, struct run *r)
{
	FAULT_POINT("clean.before_remove");
	r->cleaning = true;
	r->cleaning_ms = clock_mono_ms();
	janitor_wanted(&g->janitor);
	finish_clean(g, r);
}

void
finish_clean(struct engine *g, struct run *r)
{
	struct workspace left;
	struct err e = { 0 };

	if (workspace_find(g->config->sandbox_dir, &r->hold, &left, 1) > 0) {
		if (clock_mono_ms() - r->cleaning_ms < CLEAN_LIMIT_MS)
			return;
		log_line(LOG_WARN, "workspace stays run=%s", r->name);
	}
	FAULT_POINT("clean.mid_remove");
	runner_log_show(r->dirfd, r->name);
	if (dir_remove(g->spool_fd, r->name, &e) == -1)
		log_err(LOG_WARN, &e, "remove spool run=%s", r->name);
	r->over = true;
	g->claim.at_ms = 0; /* its place is free */
	g->busy = true;
}

void
finish_drop(struct engine *g, struct run *r)
{
	log_line(LOG_INFO, "run dropped run=%s", r->name);
	cloud_janitor_poke(&g->cloud);
	(void)leftover_kill(g->config->sandbox_dir, &r->hold);
	clean(g, r);
}

/*
 * Writes the end of a task. Returns 0 when it is written, or was by somebody
 * else; -1 when it has to be tried again, which has been dealt with.
 */
static int
complete(struct engine *g, struct run *r, const struct task_result *result)
{
	enum task_state final = result->outcome;
	struct err e = { 0 };

	if (queue_complete(g->db, &r->hold, g->batch.rows, g->batch.count,
		r->shipped, result, &final, &e) == 0) {
		link_worked(g, clock_mono_ms());
		log_line(LOG_INFO, "task ended run=%s state=%s failure=%s",
		    r->name, task_state_name(final),
		    failure_name(result->failure));
		return 0;
	}
	if (e.kind == ERR_CONFLICT) {
		log_line(LOG_INFO, "result refused run=%s", r->name);
		return 0;
	}
	run_rewind(r);
	if (e.kind == ERR_RETRY)
		link_failed(g, &e, "complete");
	else
		ship_fault(r, &e, "complete");
	return -1;
}

/* Ends the task as failed (or cancelled, if that was asked for). */
static void
fail(struct engine *g, struct run *r, enum failure failure, const char *text)
{
	const struct task_result result = {
		.outcome = TASK_FAILED,
		.failure = failure,
		.error = text,
	};

	const struct publish_result push = { .failure = failure_name(failure),
		.error = text };

	g->batch.count = 0;
	if (job_of(&r->hold)->ships
		? ship_position(g, r) == 0 && complete(g, r, &result) == 0
		: publish_end(g, r, &push) == 0) {
		cloud_janitor_poke(&g->cloud);
		clean(g, r);
	}
}

/* A result of "stopped" that nobody in the database asked for. */
static int
was_asked(struct engine *g, struct run *r, bool *asked)
{
	enum hold_state state;
	struct err e = { 0 };

	if (queue_hold_state(g->db, &r->hold, &state, &e) == -1) {
		run_rewind(r);
		link_failed(g, &e, "ask for a wish to cancel");
		return -1;
	}
	link_worked(g, clock_mono_ms());
	*asked = state != HOLD_OURS;
	return 0;
}

static void
deliver(struct engine *g, struct run *r, struct outcome *o)
{
	bool asked = true;

	if (o->deferred) {
		switch (finish_defer(g, r, o)) {
		case DEFER_LATER:
			return;
		case DEFER_DONE:
			clean(g, r);
			return;
		case DEFER_FAILS:
			break;
		}
	}
	/* A runner may also be stopped by an admin, or by a shutdown. */
	if (o->result.outcome == TASK_CANCELLED && r->row != ROW_CANCEL &&
	    was_asked(g, r, &asked) == -1)
		return;
	if (!asked) {
		run_rewind(r);
		finish_lost(g, r, "the run was stopped from outside");
		return;
	}
	if (complete(g, r, &o->result) == -1)
		return;
	if (!o->deferred)
		quota_freed(&g->quota, clock_mono_ms());
	/* A command that was stopped while it began may have slipped away. */
	if (o->result.outcome != TASK_COMPLETED) {
		(void)leftover_kill(g->config->sandbox_dir, &r->hold);
		cloud_janitor_poke(&g->cloud);
	}
	clean(g, r);
}

static void
deliver_push(struct engine *g, struct run *r)
{
	switch (publish_deliver(g, r)) {
	case 0:
		finish_lost(g, r, "the run was stopped from outside");
		break;
	case 1:
		clean(g, r);
		break;
	default:
		break;
	}
}

void
finish_deliver(struct engine *g, struct run *r)
{
	struct outcome o = { 0 };
	struct err e = { 0 };

	if (r->faults >= FAULTS_MAX) {
		fail(g, r, FAILURE_INTERNAL,
		    "The result of the run could not be stored.");
		return;
	}
	if (!job_of(&r->hold)->ships) {
		deliver_push(g, r);
		return;
	}
	switch (ship_but_last(g, r, SHIP_BUDGET)) {
	case SHIP_FAILED:
		return;
	case SHIP_MORE:
		r->nudge = g->busy = true;
		return;
	case SHIP_ALL:
		break;
	}
	if (outcome_read(&o, r->dirfd, g->config, &e) == 0) {
		deliver(g, r, &o);
	} else if (e.kind == ERR_RETRY) {
		ship_fault(r, &e, "read result");
	} else {
		log_err(LOG_ERROR, &e, "result unreadable run=%s", r->name);
		run_rewind(r);
		finish_lost(g, r, "its result cannot be read");
	}
	outcome_clear(&o);
}

/* tries so far; 1, 0 when the attempt is not ours any more, -1 dealt with. */
static int
load_tries(struct engine *g, struct run *r, unsigned int *tries)
{
	struct err e = { 0 };
	int rc = 1;

	if (job_of(&r->hold)->tries(g->db, &r->hold, tries, &e) == 0) {
		link_worked(g, clock_mono_ms());
	} else if (e.kind == ERR_ABSENT) {
		rc = 0;
	} else {
		run_rewind(r);
		link_failed(g, &e, "load");
		if (e.kind != ERR_RETRY)
			ship_fault(r, &e, "load");
		rc = -1;
	}
	return rc;
}

/* A reaper that died before it started anything costs its task no time. */
static unsigned int
delay_ms(const struct engine *g, const struct run *r, unsigned int tries)
{
	if (r->adopted && !r->began)
		return 0;
	return (unsigned int)jittered(
	    config_retry_delay_ms(g->config, tries + 1));
}

static void
give_back(struct engine *g, struct run *r, unsigned int tries, const char *why)
{
	struct err e = { 0 };

	if (job_of(&r->hold)->give_back(g->db, &r->hold, delay_ms(g, r, tries),
		r->began, why, &e) == 0 ||
	    e.kind == ERR_CONFLICT) {
		link_worked(g, clock_mono_ms());
		log_line(LOG_WARN, "run lost run=%s tries=%u why=" LOG_STR,
		    r->name, tries + (r->began ? 1 : 0), log_str(why));
		cloud_janitor_poke(&g->cloud);
		clean(g, r);
		return;
	}
	run_rewind(r);
	link_failed(g, &e, "give back");
	if (e.kind != ERR_RETRY)
		ship_fault(r, &e, "give back");
}

/*
 * What it wrote before it died. True when that is done, or when it cannot be:
 * words may be lost then, the task must not be.
 */
static bool
ship_rest(struct engine *g, struct run *r)
{
	g->batch.count = 0;
	if (!job_of(&r->hold)->ships)
		return true;
	if (r->faults >= FAULTS_MAX)
		return ship_position(g, r) == 0;
	switch (ship_run(g, r, SHIP_BUDGET)) {
	case SHIP_FAILED:
		return false;
	case SHIP_MORE:
		r->nudge = g->busy = true;
		return false;
	case SHIP_ALL:
		break;
	}
	return true;
}

void
finish_lost(struct engine *g, struct run *r, const char *why)
{
	unsigned int tries = 0;
	char text[256];

	/* Nothing of it may go on while another attempt starts (P5). */
	(void)leftover_kill(g->config->sandbox_dir, &r->hold);
	if (r->proc.pidfd == -1)
		(void)run_find_process(r); /* did one ever start? */
	if (!ship_rest(g, r))
		return;
	switch (load_tries(g, r, &tries)) {
	case 0:
		finish_drop(g, r);
		return;
	case 1:
		break;
	default:
		return;
	}
	if (!r->began || tries + 1 < (unsigned int)g->config->max_tries) {
		give_back(g, r, tries, why);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "The run was lost %u times, the last time because %s. "
	    "Please start it again.",
	    tries + 1, why);
	fail(g, r, FAILURE_SANDBOX, text);
}

void
finish_failed(struct engine *g, const struct hold *h, enum failure failure,
    const char *text)
{
	const struct task_result result = {
		.outcome = TASK_FAILED,
		.failure = failure,
		.error = text,
	};
	enum task_state final;
	struct err e = { 0 };

	if (queue_complete(g->db, h, NULL, 0, 0, &result, &final, &e) == 0) {
		link_worked(g, clock_mono_ms());
		log_line(LOG_WARN, "task failed id=%jd failure=%s",
		    (intmax_t)h->task_id, failure_name(failure));
	} else if (e.kind != ERR_CONFLICT) {
		/* The row is ours and has no run: adopt_wishes() finds it. */
		link_failed(g, &e, "complete");
	}
}
