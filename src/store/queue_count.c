#include "store/account.h"
#include "store/queue.h"

/* Rows of one DELETE, so that none holds its locks for long. */
#define EXPIRE_ROWS 1000

int
queue_counts_get(struct db *db, struct queue_counts *c, struct err *e)
{
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT"
		" (SELECT COUNT(*) FROM task_queue WHERE state = 'pending'),"
		" (SELECT COUNT(*) FROM task_queue WHERE state = 'running'),"
		" (SELECT GREATEST(0, TIMESTAMPDIFF(SECOND, MIN(run_at),"
		"   UTC_TIMESTAMP(6)))"
		"  FROM task_queue WHERE state = 'pending')",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		c->pending = db_col_int(rows, 0);
		c->running = db_col_int(rows, 1);
		c->oldest_pending_s = db_col_int(rows, 2);
	}
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

/* Runs a DELETE ... LIMIT EXPIRE_ROWS; 1 when it stopped at that. */
static int
expire(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    struct err *e)
{
	struct db_done done;

	if (db_exec_again(db, sql, args, n, &done, e) == -1)
		return -1;
	return done.matched >= EXPIRE_ROWS;
}

int
queue_expire_keys(struct db *db, unsigned int hours, struct err *e)
{
	const struct db_arg keys[] = { db_arg_uint(hours),
		db_arg_uint(EXPIRE_ROWS) };
	const struct db_arg tokens[] = { db_arg_uint(EXPIRE_ROWS) };
	int more_keys, more_tokens, more_accounts;

	more_keys = expire(db,
	    "DELETE FROM idempotency_keys WHERE created_at <"
	    " UTC_TIMESTAMP(6) - INTERVAL ? HOUR LIMIT ?",
	    DB_ARGS(keys), e);
	if (more_keys == -1)
		return -1;
	more_tokens = expire(db,
	    "DELETE FROM refresh_tokens WHERE expires_at <"
	    " UTC_TIMESTAMP(6) - INTERVAL 1 DAY LIMIT ?",
	    DB_ARGS(tokens), e);
	if (more_tokens == -1)
		return -1;
	more_accounts = account_tidy(db, EXPIRE_ROWS, e);
	if (more_accounts == -1)
		return -1;
	return more_keys || more_tokens || more_accounts;
}
