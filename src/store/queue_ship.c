#include "store/events.h"
#include "store/live.h"
#include "store/queue.h"

struct shipping {
	const struct hold *hold;
	unsigned int lease_s;
	const struct event_new *events;
	size_t n;
	uint64_t from; /* shipped before */
};

static int
read_shipped(struct db *db, const char *sql, const struct hold *h,
    uint64_t *seq, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	*seq = 0;
	if (db_query(db, sql, DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*seq = db_col_uint(rows, 0);
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_ABSENT, "task %lld has no attempt %u",
		    (long long)h->task_id, h->attempt);
	return got == 1 ? 0 : -1;
}

int
queue_shipped(struct db *db, const struct hold *h, uint64_t *seq, struct err *e)
{
	return read_shipped(db,
	    "SELECT shipped_seq FROM task_attempts"
	    " WHERE task_id = ? AND attempt = ?",
	    h, seq, e);
}

/* Takes n numbers; *last is the last one. Returns 1, or 0: not running. */
static int
take_numbers(struct db *db, const struct shipping *s, uint64_t *last,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(s->n),
		db_arg_uint(s->lease_s), db_arg_int(s->hold->task_id),
		db_arg_uint(s->hold->attempt) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_queue SET last_seq = LAST_INSERT_ID(last_seq + ?),"
		" lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND"
		" WHERE task_id = ? AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*last = done.insert_id;
	return done.matched == 1;
}

static int
note_shipped(struct db *db, const struct shipping *s, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(s->from + s->n),
		db_arg_int(s->hold->task_id), db_arg_uint(s->hold->attempt),
		db_arg_uint(s->from) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_attempts SET shipped_seq = ?"
		" WHERE task_id = ? AND attempt = ? AND shipped_seq = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return err_set(e, ERR_INVALID,
		    "task %lld was not shipped up to %llu",
		    (long long)s->hold->task_id, (unsigned long long)s->from);
	return 0;
}

static int
ship_body(struct db *db, void *ctx, struct err *e)
{
	const struct shipping *s = ctx;
	uint64_t last = 0;
	int got;

	got = take_numbers(db, s, &last, e);
	if (got == 0) {
		/* A sweeper elsewhere was quicker: it runs, as we can see. */
		got = live_revive(db, s->hold, s->lease_s, e);
		if (got == 1)
			got = take_numbers(db, s, &last, e);
	}
	if (got == -1)
		return -1;
	if (got == 0)
		return live_superseded(s->hold, e);
	if (note_shipped(db, s, e) == -1)
		return -1;
	return event_add_lines(db, s->hold, last - s->n + 1, s->events, s->n,
	    e);
}

static int
ship_committed(struct db *db, void *ctx, struct err *e)
{
	const struct shipping *s = ctx;
	uint64_t seq;

	if (read_shipped(db,
		"SELECT shipped_seq FROM task_attempts"
		" WHERE task_id = ? AND attempt = ? LOCK IN SHARE MODE",
		s->hold, &seq, e) == -1)
		return -1;
	return s->n > 0 && seq == s->from + s->n;
}

int
queue_ship(struct db *db, const struct hold *h, unsigned int lease_s,
    const struct event_new *events, size_t n, uint64_t *shipped, struct err *e)
{
	struct shipping s = { h, lease_s, events, n, *shipped };
	const struct db_tx tx = { ship_body, ship_committed, &s,
		"ship.before_commit", "ship.after_commit" };

	if (event_check_lines(events, n, *shipped, e) == -1 ||
	    db_run(db, &tx, e) == -1)
		return err_wrap(e, "ship");
	*shipped += n;
	return 0;
}
