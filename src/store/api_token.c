#include "store/account.h"

#include <stdio.h>

#include "util/clock.h"

#define HASH_BYTES 32

int
api_token_add(struct db *db, const struct api_token_new *t, int64_t *id,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(t->user_id),
		db_arg_text(t->name), db_arg_bytes(t->hash, HASH_BYTES),
		db_arg_text(t->read_only ? "read" : "write"),
		db_arg_int(t->days), db_arg_int(t->days) };
	struct db_done done;

	/* The hash is random: the row can be there only because we wrote it. */
	if (db_exec_again(db,
		"INSERT INTO api_tokens"
		" (user_id, name, token_hash, scope, created_at, expires_at)"
		" VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6),"
		"  IF(? = 0, NULL, UTC_TIMESTAMP(6) + INTERVAL ? DAY))"
		" ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*id = (int64_t)done.insert_id;
	return 0;
}

/* What a row says about a token that was shown. */
struct verdict {
	bool revoked;
	bool expired;
	bool disabled;
	bool to_note; /* this minute's use is not noted down yet */
};

static int
look_up(struct db *db, const uint8_t hash[HASH_BYTES],
    struct api_token_shown *t, struct verdict *v, struct err *e)
{
	const struct db_arg args[] = { db_arg_bytes(hash, HASH_BYTES) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT t.id, t.user_id, t.scope = 'read',"
		" t.last_used_at IS NULL, t.revoked_at IS NOT NULL,"
		" COALESCE(t.expires_at <= UTC_TIMESTAMP(6), 0),"
		" u.disabled_at IS NOT NULL,"
		" COALESCE(t.last_used_at <"
		"  UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE, 1),"
		" COALESCE(TIMESTAMPDIFF(SECOND, '1970-01-01', t.expires_at), 0)"
		" FROM api_tokens t JOIN users u ON u.id = t.user_id"
		" WHERE t.token_hash = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1) {
		t->id = db_col_int(rows, 0);
		(void)snprintf(t->user_id, sizeof(t->user_id), "%s",
		    db_col_text(rows, 1));
		t->read_only = db_col_int(rows, 2) != 0;
		t->first = db_col_int(rows, 3) != 0;
		v->revoked = db_col_int(rows, 4) != 0;
		v->expired = db_col_int(rows, 5) != 0;
		v->disabled = db_col_int(rows, 6) != 0;
		v->to_note = db_col_int(rows, 7) != 0;
		t->ends_s = db_col_int(rows, 8);
	}
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_UNKNOWN, "Invalid API token");
	return got == 1 ? 0 : -1;
}

/* Of two at once, one is the first. */
static int
note_use(struct db *db, struct api_token_shown *t, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(t->id),
		db_arg_int(t->first) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE api_tokens SET last_used_at ="
		" DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:00')"
		" WHERE id = ? AND (NOT ? OR last_used_at IS NULL)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 0)
		t->first = false;
	return 0;
}

int
api_token_use(struct db *db, const uint8_t hash[HASH_BYTES],
    struct api_token_shown *t, struct err *e)
{
	struct verdict v = { 0 };

	if (look_up(db, hash, t, &v, e) == -1)
		return -1;
	if (v.revoked)
		return err_set(e, ERR_UNKNOWN, "Token has been revoked");
	if (v.expired)
		return err_set(e, ERR_UNKNOWN, "Token has expired");
	if (v.disabled)
		return err_set(e, ERR_UNKNOWN, "User not found");
	return v.to_note ? note_use(db, t, e) : 0;
}

static void
time_of(char out[40], struct db_rows *rows, unsigned int i)
{
	const char *text;
	size_t len;

	out[0] = '\0';
	if (db_col_null(rows, i))
		return;
	text = db_col_bytes(rows, i, &len);
	clock_text_of_db(out, text, len);
}

int
api_token_list(struct db *db, const char *user_id, api_token_fn *fn, void *ctx,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };
	struct api_token_row t;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT id, name, scope = 'read', revoked_at IS NOT NULL,"
		" created_at, expires_at, last_used_at FROM api_tokens"
		" WHERE user_id = ? ORDER BY id",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1) {
		t.id = db_col_int(rows, 0);
		(void)snprintf(t.name, sizeof(t.name), "%s",
		    db_col_text(rows, 1));
		t.read_only = db_col_int(rows, 2) != 0;
		t.revoked = db_col_int(rows, 3) != 0;
		time_of(t.created_at, rows, 4);
		time_of(t.expires_at, rows, 5);
		time_of(t.last_used_at, rows, 6);
		if (fn(ctx, &t, e) == -1) {
			got = -1;
			break;
		}
	}
	db_rows_end(rows);
	return got;
}

static int
owner_of(struct db *db, int64_t id, char user_id[37], struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id) };
	struct db_rows *rows;
	int got;

	if (db_query(db, "SELECT user_id FROM api_tokens WHERE id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1)
		(void)snprintf(user_id, 37, "%s", db_col_text(rows, 0));
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_ABSENT, "Token not found");
	return got == 1 ? 0 : -1;
}

int
api_token_revoke(struct db *db, int64_t id, char user_id[37], struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id) };
	struct db_done done;

	if (owner_of(db, id, user_id, e) == -1 ||
	    db_exec_again(db,
		"UPDATE api_tokens SET revoked_at = UTC_TIMESTAMP(6)"
		" WHERE id = ? AND revoked_at IS NULL",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1
	    ? 0
	    : err_set(e, ERR_ABSENT, "the token was revoked before");
}
