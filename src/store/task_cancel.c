#include "store/events.h"
#include "store/live.h"
#include "store/task.h"

struct cancelling {
	const char *user_id;
	int64_t id;
	enum task_state now;
};

static int
absent(struct err *e)
{
	return err_set(e, ERR_ABSENT, "Task not found");
}

/* The attempt that is live now. Returns 1, or 0 when none is. */
static int
find_attempt(struct db *db, const struct cancelling *c, struct hold *h,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(c->id),
		db_arg_text(c->user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT attempt FROM task_queue"
		" WHERE task_id = ? AND user_id = ? FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		h->task_id = c->id;
		h->attempt = (unsigned int)db_col_uint(rows, 0);
	}
	db_rows_end(rows);
	return got;
}

static int
ask_for_end(struct db *db, const struct live *l, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(l->last_seq + 1),
		db_arg_int(l->hold.task_id), db_arg_uint(l->hold.attempt) };

	if (l->cancel)
		return 0;
	if (db_exec(db,
		"UPDATE task_queue SET cancel_requested_at = UTC_TIMESTAMP(6),"
		" last_seq = ? WHERE task_id = ? AND attempt = ?"
		" AND state = 'running'",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	return event_add(db, &l->hold, l->last_seq + 1, "cancel",
	    "{\"status\":\"running\",\"cancel_requested\":true}", e);
}

static int
cancel_live(struct db *db, struct cancelling *c, const struct live *l,
    struct err *e)
{
	const struct ending end = { TASK_CANCELLED, FAILURE_NONE, NULL };

	c->now = l->running ? TASK_RUNNING : TASK_CANCELLED;
	return l->running ? ask_for_end(db, l, e) : live_end(db, l, &end, e);
}

/*
 * No queue row: it has ended, or it came with an imported table and never had
 * one, and then nobody else will end it.
 */
static int
cancel_other(struct db *db, struct cancelling *c, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(c->id),
		db_arg_text(c->user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT COALESCE(status, 'pending') FROM tasks"
		" WHERE id = ? AND user_id = ? FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		c->now = task_state_of(db_col_text(rows, 0));
	db_rows_end(rows);
	if (got != 1)
		return got == 0 ? absent(e) : -1;
	if (task_state_final(c->now))
		return 0;
	c->now = TASK_CANCELLED;
	return db_exec(db,
	    "UPDATE tasks SET completed_at = UTC_TIMESTAMP(6),"
	    " status = 'cancelled' WHERE id = ? AND user_id = ?"
	    " AND COALESCE(status, 'pending') IN ('pending', 'running')",
	    DB_ARGS(args), NULL, e);
}

static int
cancel_body(struct db *db, void *ctx, struct err *e)
{
	struct cancelling *c = ctx;
	struct hold h;
	struct live l;
	int got;

	got = find_attempt(db, c, &h, e);
	if (got == 1)
		got = live_lock(db, &h, &l, e);
	if (got == -1)
		return -1;
	return got == 1 ? cancel_live(db, c, &l, e) : cancel_other(db, c, e);
}

int
task_cancel(struct db *db, const char *user_id, int64_t id,
    enum task_state *now, struct err *e)
{
	struct cancelling c = { user_id, id, TASK_PENDING };
	const struct db_tx tx = { .body = cancel_body, .ctx = &c };

	if (db_run(db, &tx, e) == -1)
		return -1;
	*now = c.now;
	if (c.now == TASK_CANCELLED || c.now == TASK_RUNNING)
		return 0;
	return err_set(e, ERR_CONFLICT, "Task has already ended: %s",
	    task_state_name(c.now));
}
