#include <stdio.h>

#include "store/account.h"
#include "store/sign_in.h"

#define HASH_BYTES 32

int
session_add(struct db *db, const uint8_t hash[HASH_BYTES], const char *user_id,
    int64_t life_s, const struct sign_in *s, struct err *e)
{
	struct db_arg args[3 + SIGN_IN_ARGS] = { db_arg_bytes(hash, HASH_BYTES),
		db_arg_text(user_id), db_arg_int(life_s) };

	sign_in_args(args + 3, s);
	/* The hash is random: the row can be there only because we wrote it. */
	return db_exec_again(db,
	    "INSERT INTO sessions (id_hash, user_id, created_at, expires_at,"
	    " " SIGN_IN_COLUMNS ") VALUES (?, ?, UTC_TIMESTAMP(6),"
	    "  UTC_TIMESTAMP(6) + INTERVAL ? SECOND, " SIGN_IN_VALUES ")"
	    " ON DUPLICATE KEY UPDATE id_hash = VALUES(id_hash)",
	    DB_ARGS(args), NULL, e);
}

int
session_find(struct db *db, const uint8_t hash[HASH_BYTES], char user_id[37],
    struct sign_in *s, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(hash, HASH_BYTES) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT r.user_id, " SIGN_IN_SELECT " FROM sessions r"
		" JOIN users u ON u.id = r.user_id" SIGN_IN_JOIN
		" WHERE r.id_hash = ? AND u.disabled_at IS NULL"
		" AND " SIGN_IN_STANDS,
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1) {
		(void)snprintf(user_id, 37, "%s", db_col_text(rows, 0));
		sign_in_fill(s, rows, 1);
	}
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_ABSENT, "no such session");
	return got == 1 ? 0 : -1;
}

int
account_tidy(struct db *db, int64_t limit, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(limit) };
	struct db_done sessions, windows;

	if (db_exec_again(db,
		"DELETE FROM sessions WHERE expires_at <"
		" UTC_TIMESTAMP(6) - INTERVAL 1 DAY LIMIT ?",
		DB_ARGS(args), &sessions, e) == -1)
		return -1;
	/* Longer than any window, and than an address stays known (rate.c). */
	if (db_exec_again(db,
		"DELETE FROM rate_windows WHERE began_at <"
		" UTC_TIMESTAMP() - INTERVAL 31 DAY OR (kind <> 'known' AND"
		" began_at < UTC_TIMESTAMP() - INTERVAL 1 DAY) LIMIT ?",
		DB_ARGS(args), &windows, e) == -1)
		return -1;
	return (int64_t)sessions.matched >= limit ||
	    (int64_t)windows.matched >= limit;
}
