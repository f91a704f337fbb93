#include "store/live.h"

#include <stdio.h>

#include "store/events.h"

int
live_lock(struct db *db, const struct hold *h, struct live *l, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT state = 'running', cancel_requested_at IS NOT NULL,"
		" tries, last_seq FROM task_queue"
		" WHERE task_id = ? AND attempt = ? FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		l->hold = *h;
		l->running = db_col_int(rows, 0) != 0;
		l->cancel = db_col_int(rows, 1) != 0;
		l->tries = (unsigned int)db_col_uint(rows, 2);
		l->last_seq = db_col_uint(rows, 3);
	}
	db_rows_end(rows);
	return got;
}

int
live_superseded(const struct hold *h, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "attempt %u of task %lld is superseded",
	    h->attempt, (long long)h->task_id);
}

int
live_write_end(struct db *db, const struct live *l, const struct ending *end,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(end->error),
		end->failure == FAILURE_NONE
		    ? db_arg_null()
		    : db_arg_text(failure_name(end->failure)),
		db_arg_text(task_state_name(end->state)),
		db_arg_int(l->hold.task_id) };
	struct db_done done;

	if (!task_state_final(end->state))
		return err_set(e, ERR_BROKEN, "a task cannot end as %s",
		    task_state_name(end->state));
	if (db_exec(db,
		"UPDATE tasks SET error = ?, failure_code = ?,"
		" completed_at = COALESCE(completed_at, UTC_TIMESTAMP(6)),"
		" status = ? WHERE id = ? AND status IN ('pending', 'running')",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1;
}

static int
remove_secret(struct db *db, int64_t task_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(task_id) };

	return db_exec(db, "DELETE FROM task_secrets WHERE task_id = ?",
	    DB_ARGS(args), NULL, e);
}

int
live_remove(struct db *db, const struct live *l, uint64_t seq,
    const struct ending *end, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(l->hold.task_id),
		db_arg_uint(l->hold.attempt) };
	struct db_done done;

	if (event_add_end(db, &l->hold, seq, end->state, end->failure, e) ==
		-1 ||
	    remove_secret(db, l->hold.task_id, e) == -1 ||
	    db_exec(db,
		"DELETE FROM task_queue WHERE task_id = ? AND attempt = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1 ? 0 : live_superseded(&l->hold, e);
}

int
live_attempt_ended(struct db *db, const struct hold *h, const char *outcome,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(outcome),
		db_arg_int(h->task_id), db_arg_uint(h->attempt) };

	return db_exec(db,
	    "UPDATE task_attempts SET ended_at = UTC_TIMESTAMP(6),"
	    " outcome = ? WHERE task_id = ? AND attempt = ?"
	    " AND ended_at IS NULL",
	    DB_ARGS(args), NULL, e);
}

int
live_end(struct db *db, const struct live *l, const struct ending *end,
    struct err *e)
{
	if (live_write_end(db, l, end, e) == -1 ||
	    live_attempt_ended(db, &l->hold, task_state_name(end->state), e) ==
		-1)
		return -1;
	return live_remove(db, l, l->last_seq + 1, end, e);
}

/* Whoever put it back counted a try that was none after all. */
static int
revive_queue_row(struct db *db, const struct hold *h, unsigned int lease_s,
    uint64_t *seq, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(lease_s),
		db_arg_int(h->task_id), db_arg_uint(h->attempt) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_queue q JOIN task_attempts a"
		" ON a.task_id = q.task_id AND a.attempt = q.attempt"
		" SET q.owner = a.owner, q.tries = GREATEST(q.tries, 1) - 1,"
		" q.lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND,"
		" q.last_seq = LAST_INSERT_ID(q.last_seq + 1),"
		" q.state = 'running'"
		" WHERE q.task_id = ? AND q.attempt = ?"
		" AND q.state = 'pending' AND q.cancel_requested_at IS NULL",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*seq = done.insert_id;
	return done.matched > 0;
}

int
live_revive(struct db *db, const struct hold *h, unsigned int lease_s,
    struct err *e)
{
	const struct db_arg task[] = { db_arg_int(h->task_id) };
	const struct db_arg attempt[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	uint64_t seq = 0;
	int got;

	got = revive_queue_row(db, h, lease_s, &seq, e);
	if (got != 1)
		return got;
	if (db_exec(db,
		"UPDATE tasks SET status = 'running'"
		" WHERE id = ? AND status = 'pending'",
		DB_ARGS(task), NULL, e) == -1 ||
	    db_exec(db,
		"UPDATE task_attempts SET ended_at = NULL, outcome = NULL"
		" WHERE task_id = ? AND attempt = ?",
		DB_ARGS(attempt), NULL, e) == -1 ||
	    event_add(db, h, seq, "revived", "{\"status\":\"running\"}", e) ==
		-1)
		return -1;
	return 1;
}
