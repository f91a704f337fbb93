#include <string.h>

#include "store/sign_in.h"

#define HASH_BYTES 32

int
refresh_token_add(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    const char *user_id, int64_t life_s, const struct sign_in *s, struct err *e)
{
	struct db_arg args[3 + SIGN_IN_ARGS] = { db_arg_bytes(jti_hash,
						     HASH_BYTES),
		db_arg_text(user_id), db_arg_int(life_s) };

	sign_in_args(args + 3, s);
	/* A jti is random: the row can be there only because we wrote it. */
	return db_exec_again(db,
	    "INSERT INTO refresh_tokens (jti_hash, user_id, issued_at,"
	    " expires_at, " SIGN_IN_COLUMNS ")"
	    " VALUES (?, ?, UTC_TIMESTAMP(6),"
	    "  UTC_TIMESTAMP(6) + INTERVAL ? SECOND, " SIGN_IN_VALUES ")"
	    " ON DUPLICATE KEY UPDATE jti_hash = VALUES(jti_hash)",
	    DB_ARGS(args), NULL, e);
}

int
refresh_token_check(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    const char *user_id, struct sign_in *s, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(jti_hash, HASH_BYTES),
		db_arg_text(user_id) };
	bool user_ok = false, token_ok = false;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT u.disabled_at IS NULL,"
		" r.jti_hash IS NOT NULL AND " SIGN_IN_STANDS
		", " SIGN_IN_SELECT " FROM users u LEFT JOIN refresh_tokens r"
		" ON r.jti_hash = ? AND r.user_id = u.id" SIGN_IN_JOIN
		" WHERE u.id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		user_ok = db_col_int(rows, 0) != 0;
		token_ok = db_col_int(rows, 1) != 0;
		if (token_ok)
			sign_in_fill(s, rows, 2);
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

static const char *const revocations[] = {
	"UPDATE refresh_tokens SET revoked_at = UTC_TIMESTAMP(6)"
	" WHERE jti_hash = ? AND revoked_at IS NULL",
	"UPDATE refresh_tokens SET revoked_at = UTC_TIMESTAMP(6)"
	" WHERE revoked_at IS NULL AND family = (SELECT family FROM"
	"  (SELECT family FROM refresh_tokens WHERE jti_hash = ?) AS shown)",
	"UPDATE sessions SET revoked_at = UTC_TIMESTAMP(6)"
	" WHERE revoked_at IS NULL AND family ="
	"  (SELECT family FROM refresh_tokens WHERE jti_hash = ?)",
};

static int
revoke_body(struct db *db, void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(ctx, HASH_BYTES) };

	for (size_t i = 0; i < sizeof(revocations) / sizeof(revocations[0]);
	     i++)
		if (db_exec(db, revocations[i], DB_ARGS(args), NULL, e) == -1)
			return -1;
	return 0;
}

int
refresh_token_revoke(struct db *db, const uint8_t jti_hash[HASH_BYTES],
    struct err *e)
{
	uint8_t hash[HASH_BYTES];
	const struct db_tx tx = { .body = revoke_body, .ctx = hash };

	memcpy(hash, jti_hash, sizeof(hash));
	return db_run(db, &tx, e);
}
