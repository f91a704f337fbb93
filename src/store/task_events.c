#include <stdio.h>

#include "store/task.h"
#include "util/clock.h"

/*
 * Whose it is comes first and alone: one statement for both, a LEFT JOIN, would
 * read all of the events and sort them.
 */
static int
check_owner(struct db *db, const char *user_id, int64_t id, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db, "SELECT 1 FROM tasks WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_ABSENT, "Task not found");
	return got == 1 ? 0 : -1;
}

static int
hand_over(struct db_rows *rows, event_row_fn *fn, void *ctx, struct err *e)
{
	char created[CLOCK_TEXT];
	struct event_row r;
	const char *text;
	size_t len;

	r.seq = db_col_int(rows, 0);
	r.kind = db_col_text(rows, 1);
	text = db_col_bytes(rows, 2, &len);
	clock_text_of_db(created, text, len);
	r.created_at = created;
	r.data = db_col_bytes(rows, 3, &r.data_len);
	return fn(ctx, &r, e);
}

int
task_events(struct db *db, const char *user_id, int64_t id, int64_t after,
    unsigned int limit, event_row_fn *fn, void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id),
		db_arg_int(after < 0 ? 0 : after), db_arg_uint(limit) };
	struct db_rows *rows;
	int got;

	if (check_owner(db, user_id, id, e) == -1 ||
	    db_query(db,
		"SELECT seq, kind, created_at, data FROM task_events"
		" WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1)
		if (hand_over(rows, fn, ctx, e) == -1) {
			got = -1;
			break;
		}
	db_rows_end(rows);
	return got;
}

/* Its own place. Returns 1, or 0 when it does not stand in line. */
static int
read_turn(struct db *db, int64_t id, uint64_t *turn,
    char reason[QUEUE_REASON_MAX + 1], struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT turn, waiting_reason FROM task_queue"
		" WHERE task_id = ? AND state = 'pending'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		*turn = db_col_uint(rows, 0);
		(void)snprintf(reason, QUEUE_REASON_MAX + 1, "%s",
		    db_col_text(rows, 1));
	}
	db_rows_end(rows);
	return got;
}

int
task_queue_place(struct db *db, int64_t id, struct task_place *p, struct err *e)
{
	struct db_rows *rows;
	uint64_t turn = 0;
	int got;

	p->ahead = -1;
	p->reason[0] = '\0';
	got = read_turn(db, id, &turn, p->reason, e);
	if (got != 1)
		return got;

	const struct db_arg args[] = { db_arg_uint(turn), db_arg_uint(turn),
		db_arg_int(id) };

	if (db_query(db,
		"SELECT COUNT(*) FROM (SELECT 1 FROM task_queue"
		" WHERE state = 'pending' AND turn <= ?"
		" AND (turn < ? OR task_id < ?) LIMIT 1000) AS first",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		p->ahead = db_col_int(rows, 0);
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}
