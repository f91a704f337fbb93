#include "store/user.h"

#define HASH_BYTES 32

int
refresh_token_add(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    const char *user_id, int64_t life_s, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(jti_hash, HASH_BYTES),
		db_arg_text(user_id), db_arg_int(life_s) };

	/* A jti is random: the row can be there only because we wrote it. */
	return db_exec_again(db,
	    "INSERT INTO refresh_tokens"
	    " (jti_hash, user_id, issued_at, expires_at)"
	    " VALUES (?, ?, UTC_TIMESTAMP(6),"
	    "  UTC_TIMESTAMP(6) + INTERVAL ? SECOND)"
	    " ON DUPLICATE KEY UPDATE jti_hash = VALUES(jti_hash)",
	    DB_ARGS(args), NULL, e);
}

int
refresh_token_check(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    const char *user_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(jti_hash, HASH_BYTES),
		db_arg_text(user_id) };
	bool user_ok = false, token_ok = false;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT u.disabled_at IS NULL,"
		" r.jti_hash IS NOT NULL AND r.revoked_at IS NULL"
		" FROM users u LEFT JOIN refresh_tokens r"
		" ON r.jti_hash = ? AND r.user_id = u.id WHERE u.id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		user_ok = db_col_int(rows, 0) != 0;
		token_ok = db_col_int(rows, 1) != 0;
	}
	db_rows_end(rows);
	if (got == -1)
		return -1;
	if (!user_ok)
		return err_set(e, ERR_UNKNOWN, "User not found");
	if (!token_ok)
		return err_set(e, ERR_UNKNOWN, "Token has been revoked");
	return 0;
}

int
refresh_token_revoke(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(jti_hash, HASH_BYTES) };

	return db_exec_again(db,
	    "UPDATE refresh_tokens SET revoked_at = UTC_TIMESTAMP(6)"
	    " WHERE jti_hash = ? AND revoked_at IS NULL",
	    DB_ARGS(args), NULL, e);
}
