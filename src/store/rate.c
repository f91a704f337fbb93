#include "store/rate.h"

#define KEY_BYTES 32

/* The beginning of the window that is now. The session is in UTC. */
#define WINDOW "FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP() / 900) * 900)"

_Static_assert(RATE_WINDOW_S == 900, "the statements' window");
_Static_assert(RATE_PAUSE_MAX_S == 1 << 6, "the statements' longest pause");

/* So that the statement that counts always has a row to find. */
static int
make_row(struct db *db, const struct rate *r, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES) };

	return db_exec_again(db,
	    "INSERT INTO rate_windows (kind, key_hash, began_at, hits, last_at)"
	    " VALUES (?, ?, " WINDOW ", 0, UTC_TIMESTAMP(6))"
	    " ON DUPLICATE KEY UPDATE hits = hits",
	    DB_ARGS(args), NULL, e);
}

/* One statement looks and counts, so that many at once count right. */
static int
count(struct db *db, const struct rate *r, bool *counted, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES), db_arg_int(r->limit),
		db_arg_int(r->eases), db_arg_int(r->limit) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE rate_windows SET hits = hits + 1,"
		" last_at = UTC_TIMESTAMP(6)"
		" WHERE kind = ? AND key_hash = ? AND began_at = " WINDOW
		" AND (hits < ? OR (? AND last_at <= UTC_TIMESTAMP(6) -"
		"  INTERVAL (1 << LEAST((hits - ?) DIV 10, 6)) SECOND))",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*counted = done.matched == 1;
	return 0;
}

/* Seconds until it may work: the pause, or the window's end. */
static int
ask_wait(struct db *db, const struct rate *r, unsigned int *wait_s,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(r->eases),
		db_arg_int(r->limit), db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES) };
	struct db_rows *rows;
	int64_t s = 1;
	int got;

	if (db_query(db,
		"SELECT IF(?, 1 << LEAST("
		"  (CAST(hits AS SIGNED) - ?) DIV 10, 6),"
		" 900 - UNIX_TIMESTAMP() MOD 900) FROM rate_windows"
		" WHERE kind = ? AND key_hash = ? AND began_at = " WINDOW,
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1)
		s = db_col_int(rows, 0);
	db_rows_end(rows);
	*wait_s = s < 1 || s > RATE_WINDOW_S ? 1 : (unsigned int)s;
	return got == -1 ? -1 : 0;
}

int
rate_take(struct db *db, const struct rate *r, unsigned int *wait_s,
    struct err *e)
{
	bool counted;

	if (make_row(db, r, e) == -1 || count(db, r, &counted, e) == -1)
		return -1;
	if (counted)
		return 1;
	return ask_wait(db, r, wait_s, e) == -1 ? -1 : 0;
}

int
rate_give_back(struct db *db, const struct rate *r, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES) };

	/* Once too often after a lost answer does no harm. */
	return db_exec_again(db,
	    "UPDATE rate_windows SET hits = hits - 1 WHERE kind = ?"
	    " AND key_hash = ? AND began_at = " WINDOW " AND hits > 0",
	    DB_ARGS(args), NULL, e);
}

int
rate_know(struct db *db, const uint8_t key[KEY_BYTES], struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(key, KEY_BYTES) };

	return db_exec_again(db,
	    "INSERT INTO rate_windows (kind, key_hash, began_at, hits, last_at)"
	    " VALUES ('known', ?, UTC_DATE(), 1, UTC_TIMESTAMP(6))"
	    " ON DUPLICATE KEY UPDATE last_at = UTC_TIMESTAMP(6)",
	    DB_ARGS(args), NULL, e);
}

int
rate_known(struct db *db, const uint8_t key[KEY_BYTES], struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(key, KEY_BYTES) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT 1 FROM rate_windows WHERE kind = 'known'"
		" AND key_hash = ? AND began_at >"
		" UTC_TIMESTAMP() - INTERVAL 30 DAY LIMIT 1",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}
