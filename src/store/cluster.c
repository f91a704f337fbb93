#include "store/cluster.h"

/* The one number of a statement with one row. */
static int
one_number(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    int64_t *number, struct err *e)
{
	struct db_rows *rows = NULL;
	int got;

	if (db_query(db, sql, args, n, &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1)
		*number = db_col_int(rows, 0);
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_BROKEN, "a query without an answer");
	return got == 1 ? 0 : -1;
}

int
cluster_clock_us(struct db *db, int64_t *us, struct err *e)
{
	return one_number(db,
	    "SELECT TIMESTAMPDIFF(MICROSECOND, '2000-01-01', "
	    "UTC_TIMESTAMP(6))",
	    DB_NO_ARGS, us, e);
}

int
cluster_others(struct db *db, const char *id, unsigned int fresh_s,
    int64_t *count, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id), db_arg_uint(fresh_s) };

	return one_number(db,
	    "SELECT COUNT(*) FROM machines WHERE id <> ? AND "
	    "seen_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND",
	    DB_ARGS(args), count, e);
}
