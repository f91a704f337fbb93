#include "store/standing.h"

#include "store/publish.h"

/*
 * One row, if any: whether it has ended (0, 1, or NULL where only a queue row
 * could tell), and the number of its newest attempt. In a task that waits,
 * that attempt has ended as well if its own reaper has said so; one that was
 * "lost" with its machine may come back.
 */
static const char of_task[] =
    "SELECT t.status IN ('completed', 'failed', 'cancelled')"
    " OR (q.state = 'pending' AND a.outcome IN ('dead', 'deferred')),"
    " q.attempt FROM tasks t LEFT JOIN task_queue q ON q.task_id = t.id"
    " LEFT JOIN task_attempts a"
    " ON a.task_id = q.task_id AND a.attempt = q.attempt"
    " WHERE t.id = ?";

static const char of_push[] =
    "SELECT state IN ('pushed', 'done', 'failed'), attempt"
    " FROM pull_requests WHERE task_id = ?";

static enum standing
judge(const struct db_rows *row, unsigned int attempt)
{
	bool ended = db_col_int(row, 0) != 0, known = !db_col_null(row, 1);
	uint64_t newest = db_col_uint(row, 1);

	if (known && newest > attempt)
		return STANDING_OVER;
	if (known && newest < attempt)
		return STANDING_UNKNOWN;
	if (ended)
		return STANDING_OVER;
	return known ? STANDING_LIVE : STANDING_UNKNOWN;
}

int
standing_of(struct db *db, const struct hold *h, enum standing *s,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id) };
	struct db_rows *rows;
	int got;

	*s = STANDING_UNKNOWN;
	if (db_query(db, hold_publishes(h) ? of_push : of_task, DB_ARGS(args),
		&rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*s = judge(rows, h->attempt);
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}
