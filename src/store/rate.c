#include "store/rate.h"

#include <stdio.h>

#define KEY_BYTES 32
#define PAUSE_STEP 10 /* so many at a pause, then it doubles */
#define PAUSE_DOUBLINGS 6

/* The beginning of the window that is now. The session is in UTC. */
#define WINDOW "FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP() / 900) * 900)"

_Static_assert(RATE_WINDOW_S == 900, "the statements' window");
_Static_assert(RATE_PAUSE_MAX_S == 1 << PAUSE_DOUBLINGS, "the longest pause");

/* What is there before one more is counted. */
struct seen {
	int64_t elapsed_s; /* of the window that is now */
	int64_t hits;      /* in it; -1: it has no row yet */
	int64_t before;    /* in the one before */
};

static int
look(struct db *db, struct rate *r, struct seen *s, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES), db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT CAST(w.now AS CHAR), UNIX_TIMESTAMP() MOD 900,"
		" COALESCE(CAST(c.hits AS SIGNED), -1), COALESCE(p.hits, 0)"
		" FROM (SELECT " WINDOW " AS now) AS w"
		" LEFT JOIN rate_windows c ON c.kind = ? AND c.key_hash = ?"
		"  AND c.began_at = w.now"
		" LEFT JOIN rate_windows p ON p.kind = ? AND p.key_hash = ?"
		"  AND p.began_at = w.now - INTERVAL 900 SECOND",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1) {
		(void)snprintf(r->window, sizeof(r->window), "%.19s",
		    db_col_text(rows, 0));
		s->elapsed_s = db_col_int(rows, 1);
		s->hits = db_col_int(rows, 2);
		s->before = db_col_int(rows, 3);
	}
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

/* So that the statement that counts always has a row to find. */
static int
make_row(struct db *db, const struct rate *r, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES), db_arg_text(r->window) };

	return db_exec_again(db,
	    "INSERT INTO rate_windows (kind, key_hash, began_at, hits, last_at)"
	    " VALUES (?, ?, ?, 0, UTC_TIMESTAMP(6))"
	    " ON DUPLICATE KEY UPDATE hits = hits",
	    DB_ARGS(args), NULL, e);
}

/* Of the window before, what the span still reaches back to. */
static int64_t
share_of(const struct seen *s)
{
	return s->before * (RATE_WINDOW_S - s->elapsed_s) / RATE_WINDOW_S;
}

/* One statement looks and counts, so that many at once count right. */
static int
count(struct db *db, const struct rate *r, int64_t share, bool *counted,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES), db_arg_text(r->window),
		db_arg_int(r->limit - share), db_arg_int(r->eases),
		db_arg_int(r->limit - share) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE rate_windows SET hits = hits + 1,"
		" last_at = UTC_TIMESTAMP(6)"
		" WHERE kind = ? AND key_hash = ? AND began_at = ?"
		" AND (CAST(hits AS SIGNED) < ? OR (? AND last_at <="
		"  UTC_TIMESTAMP(6) - INTERVAL (1 << LEAST("
		"   (CAST(hits AS SIGNED) - ?) DIV 10, 6)) SECOND))",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*counted = done.matched == 1;
	return 0;
}

/* Seconds until it may work: the pause, or until enough have grown old. */
static unsigned int
wait_of(const struct rate *r, const struct seen *s)
{
	const int64_t over = s->hits + share_of(s) - r->limit;
	int64_t old = s->before, room = r->limit - s->hits, wait_s = 0;

	if (r->eases)
		return 1U << (over < 0 ? 0
			       : over / PAUSE_STEP > PAUSE_DOUBLINGS
			       ? PAUSE_DOUBLINGS
			       : (unsigned int)(over / PAUSE_STEP));
	if (room <= 0) { /* those of now have to become those of before */
		wait_s = RATE_WINDOW_S;
		old = s->hits;
		room = r->limit;
	}
	/* The first second t at which old * (900 - t) / 900 < room. */
	wait_s += RATE_WINDOW_S + 1 - s->elapsed_s;
	if (old > 0)
		wait_s -= RATE_WINDOW_S * room / old;
	return wait_s < 1            ? 1
	    : wait_s > RATE_WINDOW_S ? RATE_WINDOW_S
				     : (unsigned int)wait_s;
}

int
rate_take(struct db *db, struct rate *r, unsigned int *wait_s, struct err *e)
{
	struct seen s = { 0 };
	bool counted;

	if (look(db, r, &s, e) == -1)
		return -1;
	if (s.hits == -1) {
		if (make_row(db, r, e) == -1)
			return -1;
		s.hits = 0;
	}
	if (count(db, r, share_of(&s), &counted, e) == -1)
		return -1;
	if (!counted)
		*wait_s = wait_of(r, &s);
	return counted;
}

int
rate_give_back(struct db *db, const struct rate *r, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(r->kind),
		db_arg_bytes(r->key, KEY_BYTES), db_arg_text(r->window) };

	/* Once too often after a lost answer does no harm. */
	return db_exec_again(db,
	    "UPDATE rate_windows SET hits = hits - 1 WHERE kind = ?"
	    " AND key_hash = ? AND began_at = ? AND hits > 0",
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
