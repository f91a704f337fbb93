#include <stdio.h>

#include "store/events.h"
#include "store/live.h"
#include "store/queue.h"
#include "util/buf.h"
#include "util/json.h"

#define SWEEP_MAX 20

/* Why an attempt was lost, in JSON; a sentence and its escapes. */
#define WHY_MAX 4096

/* How an attempt that brought no result goes on. */
struct putting_back {
	unsigned int delay_ms;
	bool counts;
	const char *why;
	const char *outcome; /* of the attempt; standing.c knows these words */
	bool waits;          /* it has not begun: why is what it waits for */
};

struct giving {
	const struct hold *hold;
	struct putting_back how;
};

struct sweeping {
	const struct sweep *sweep;
	struct live rows[SWEEP_MAX];
	unsigned int n;
};

static int
update_rows(struct db *db, const struct live *l, const struct putting_back *how,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(
					   (int64_t)how->delay_ms * 1000),
		db_arg_uint(how->counts ? 1 : 0), db_arg_uint(l->last_seq + 1),
		db_arg_uint(how->waits ? 1 : 0),
		db_arg_text(how->waits ? how->why : NULL),
		db_arg_int(l->hold.task_id), db_arg_uint(l->hold.attempt) };
	const struct db_arg task[] = { db_arg_int(l->hold.task_id) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_queue SET run_at ="
		" UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND,"
		" tries = tries + ?, last_seq = ?, owner = NULL,"
		" waiting_since ="
		" IF(?, COALESCE(waiting_since, UTC_TIMESTAMP(6)), NULL),"
		" waiting_reason = ?,"
		" lease_until = NULL, state = 'pending'"
		" WHERE task_id = ? AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return live_superseded(&l->hold, e);
	return db_exec(db,
	    "UPDATE tasks SET status = 'pending'"
	    " WHERE id = ? AND status = 'running'",
	    DB_ARGS(task), NULL, e);
}

static int
add_event(struct db *db, const struct live *l, const struct putting_back *how,
    struct err *e)
{
	struct buf data = BUF(WHY_MAX);
	struct json_out j;
	int rc;

	json_start(&j, &data);
	json_open(&j);
	json_name_text(&j, "status", "pending");
	json_name_text(&j, "why", how->why);
	json_close(&j);
	rc = event_add(db, &l->hold, l->last_seq + 1,
	    how->waits ? "waiting" : "lost",
	    buf_ok(&data) ? data.data : "{\"status\":\"pending\"}", e);
	buf_clear(&data);
	return rc;
}

static int
put_back(struct db *db, const struct live *l, const struct putting_back *how,
    struct err *e)
{
	if (update_rows(db, l, how, e) == -1 ||
	    live_attempt_ended(db, &l->hold, how->outcome, e) == -1)
		return -1;
	return add_event(db, l, how, e);
}

static int
end_cancelled(struct db *db, const struct live *l, struct err *e)
{
	const struct ending end = { TASK_CANCELLED, FAILURE_NONE, NULL };

	return live_end(db, l, &end, e);
}

static int
give_body(struct db *db, void *ctx, struct err *e)
{
	const struct giving *g = ctx;
	struct live l;
	int got;

	got = live_lock(db, g->hold, &l, e);
	if (got == -1)
		return -1;
	if (got == 0 || !l.running)
		return live_superseded(g->hold, e);
	if (l.cancel)
		return end_cancelled(db, &l, e);
	return put_back(db, &l, &g->how, e);
}

/* Done if the attempt has an end: nobody else gives one to ours. */
static int
give_committed(struct db *db, void *ctx, struct err *e)
{
	const struct giving *g = ctx;
	const struct db_arg args[] = { db_arg_int(g->hold->task_id),
		db_arg_uint(g->hold->attempt) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT 1 FROM task_attempts WHERE task_id = ?"
		" AND attempt = ? AND ended_at IS NOT NULL"
		" LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

int
queue_give_back(struct db *db, const struct hold *h, unsigned int delay_ms,
    bool counts, const char *why, struct err *e)
{
	struct giving g = { h, { delay_ms, counts, why, "dead", false } };
	const struct db_tx tx = { .body = give_body,
		.committed = give_committed,
		.ctx = &g };

	return db_run(db, &tx, e) == -1 ? err_wrap(e, "give back") : 0;
}

int
queue_defer(struct db *db, const struct hold *h, const char *reason,
    struct err *e)
{
	struct giving g = { h, { 0, false, reason, "deferred", true } };
	const struct db_tx tx = { .body = give_body,
		.committed = give_committed,
		.ctx = &g };

	return db_run(db, &tx, e) == -1 ? err_wrap(e, "defer") : 0;
}

int
queue_waited_ms(struct db *db, const struct hold *h, int64_t *ms, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	*ms = 0;
	if (db_query(db,
		"SELECT COALESCE(TIMESTAMPDIFF(MICROSECOND, waiting_since,"
		" UTC_TIMESTAMP(6)), 0) FROM task_queue"
		" WHERE task_id = ? AND attempt = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*ms = db_col_int(rows, 0) / 1000;
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

static int
find_overdue(struct db *db, struct sweeping *g, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(g->sweep->slack_s),
		db_arg_text(g->sweep->owner), db_arg_uint(SWEEP_MAX) };
	struct db_rows *rows;
	struct live *l;
	int got;

	g->n = 0;
	if (db_query(db,
		"SELECT task_id, attempt, cancel_requested_at IS NOT NULL,"
		" tries, last_seq FROM task_queue WHERE state = 'running'"
		" AND lease_until < UTC_TIMESTAMP(6) - INTERVAL ? SECOND"
		" AND owner <> ? ORDER BY lease_until LIMIT ?"
		" FOR UPDATE SKIP LOCKED",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while (g->n < SWEEP_MAX && (got = db_next(rows, e)) != 0) {
		if (got == -1) {
			db_rows_end(rows);
			return -1;
		}
		l = &g->rows[g->n++];
		l->hold.task_id = db_col_int(rows, 0);
		l->hold.attempt = (unsigned int)db_col_uint(rows, 1);
		l->running = true;
		l->cancel = db_col_int(rows, 2) != 0;
		l->tries = (unsigned int)db_col_uint(rows, 3);
		l->last_seq = db_col_uint(rows, 4);
	}
	db_rows_end(rows);
	return 0;
}

static int
sweep_one(struct db *db, const struct sweep *s, const struct live *l,
    struct err *e)
{
	const struct putting_back how = { s->delay_ms, true,
		"the machine that ran it does not answer any more", "lost",
		false };
	struct ending end = { TASK_FAILED, FAILURE_SANDBOX, NULL };
	char text[200];

	if (l->cancel)
		return end_cancelled(db, l, e);
	if (l->tries + 1 < s->max_tries)
		return put_back(db, l, &how, e);
	(void)snprintf(text, sizeof(text),
	    "The task was tried %u times, and each time the machine that ran"
	    " it was lost. Please start it again.",
	    l->tries + 1);
	end.error = text;
	return live_end(db, l, &end, e);
}

static int
sweep_body(struct db *db, void *ctx, struct err *e)
{
	struct sweeping *g = ctx;

	if (find_overdue(db, g, e) == -1)
		return -1;
	for (unsigned int i = 0; i < g->n; i++)
		if (sweep_one(db, g->sweep, &g->rows[i], e) == -1)
			return -1;
	return 0;
}

/* Sweeping again is harmless; where nothing was found nothing can be lost. */
static int
sweep_committed(struct db *db, void *ctx, struct err *e)
{
	const struct sweeping *g = ctx;

	(void)db;
	(void)e;
	return g->n == 0;
}

int
queue_sweep(struct db *db, const struct sweep *s, unsigned int *taken,
    struct err *e)
{
	struct sweeping g = { .sweep = s };
	const struct db_tx tx = { .body = sweep_body,
		.committed = sweep_committed,
		.ctx = &g };

	*taken = 0;
	if (db_run(db, &tx, e) == -1)
		return err_wrap(e, "sweep");
	*taken = g.n;
	return 0;
}
