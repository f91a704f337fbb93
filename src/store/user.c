#include "store/user.h"

#include <stdio.h>

#include "store/account.h"
#include "store/sign_in.h"
#include "util/clock.h"

#define USER_COLUMNS                                                       \
	"u.id, u.email, u.disabled_at IS NOT NULL, c.user_id IS NOT NULL," \
	" u.created_at, c.password_hash, u.sign_in_epoch"

struct adding {
	const char *id;
	const char *email;
	const char *full_name;
	const char *hash;
	bool invited; /* only with an invitation */
	bool checked; /* the address is known to be his */
};

/* A user's password or standing changes; what he has signed in to ends. */
struct changing {
	const char *id;
	const char *hash;
	bool disabled;
};

static int
not_found(struct err *e)
{
	return err_set(e, ERR_ABSENT, "User not found");
}

static int
insert_credentials(struct db *db, const struct adding *a, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(a->id),
		db_arg_text(a->email), db_arg_text(a->hash) };

	return db_exec(db,
	    "INSERT INTO user_credentials"
	    " (user_id, email, password_hash, changed_at)"
	    " VALUES (?, LOWER(?), ?, UTC_TIMESTAMP(6))",
	    DB_ARGS(args), NULL, e);
}

static int
use_invitation(struct db *db, const char *email, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(email) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE invitations SET used_at = UTC_TIMESTAMP(6)"
		" WHERE email = LOWER(?) AND used_at IS NULL"
		" AND expires_at > UTC_TIMESTAMP(6)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1 ? 0 : err_set(e, ERR_DENIED, "no invitation");
}

/* Also by an account that has no password, such as an imported one. */
static int
is_taken(struct db *db, const char *email, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(email) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT 1 FROM users WHERE LOWER(email) = LOWER(?) LIMIT 1",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	if (got == 1)
		return err_set(e, ERR_CONFLICT, "the address is taken");
	return got;
}

static int
add_body(struct db *db, void *ctx, struct err *e)
{
	const struct adding *a = ctx;
	const struct db_arg args[] = { db_arg_text(a->id),
		db_arg_text(a->email), db_arg_text(a->full_name),
		db_arg_int(a->checked) };

	if (a->invited && use_invitation(db, a->email, e) == -1)
		return -1;
	if (!a->checked && is_taken(db, a->email, e) == -1)
		return -1;
	if (db_exec(db,
		"INSERT INTO users (id, email, full_name, email_checked)"
		" VALUES (?, ?, ?, ?)",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	return insert_credentials(db, a, e);
}

/* The hash has a random salt, so nobody else's row looks like ours. */
static int
add_committed(struct db *db, void *ctx, struct err *e)
{
	const struct adding *a = ctx;
	const struct db_arg args[] = { db_arg_text(a->id),
		db_arg_text(a->hash) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT 1 FROM user_credentials WHERE user_id = ?"
		" AND password_hash = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

static int
add(struct db *db, struct adding *a, struct err *e)
{
	const struct db_tx tx = { .body = add_body,
		.committed = add_committed,
		.ctx = a };

	if (db_run(db, &tx, e) == 0)
		return 0;
	if (e->kind == ERR_CONFLICT)
		return err_set(e, ERR_CONFLICT,
		    "the address or the id is taken");
	return -1;
}

int
user_add(struct db *db, const char *id, const char *email,
    const char *full_name, const char *password_hash, struct err *e)
{
	struct adding a = { id, email, full_name, password_hash, false, true };

	return add(db, &a, e);
}

int
user_sign_up(struct db *db, const char *id, const char *email,
    const char *password_hash, bool invited, struct err *e)
{
	struct adding a = { id, email, NULL, password_hash, invited, false };

	return add(db, &a, e);
}

static void
fill(struct user_row *u, struct db_rows *rows)
{
	const char *created;
	size_t len;

	(void)snprintf(u->id, sizeof(u->id), "%s", db_col_text(rows, 0));
	(void)snprintf(u->email, sizeof(u->email), "%s", db_col_text(rows, 1));
	u->disabled = db_col_int(rows, 2) != 0;
	u->can_sign_in = db_col_int(rows, 3) != 0;
	created = db_col_bytes(rows, 4, &len);
	clock_text_of_db(u->created_at, created, len);
	(void)snprintf(u->password_hash, sizeof(u->password_hash), "%s",
	    db_col_text(rows, 5));
	u->epoch = db_col_uint(rows, 6);
}

static int
find(struct db *db, const char *sql, const char *key, struct user_row *u,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(key) };
	struct db_rows *rows;
	int got;

	if (db_query(db, sql, DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		fill(u, rows);
	db_rows_end(rows);
	if (got == 0)
		return not_found(e);
	return got == 1 ? 0 : -1;
}

int
user_find_by_id(struct db *db, const char *id, struct user_row *u,
    struct err *e)
{
	return find(db,
	    "SELECT " USER_COLUMNS " FROM users u"
	    " LEFT JOIN user_credentials c ON c.user_id = u.id"
	    " WHERE u.id = ?",
	    id, u, e);
}

int
user_find_by_email(struct db *db, const char *email, struct user_row *u,
    struct err *e)
{
	return find(db,
	    "SELECT " USER_COLUMNS " FROM user_credentials c"
	    " JOIN users u ON u.id = c.user_id WHERE c.email = LOWER(?)",
	    email, u, e);
}

int
user_find_by_address(struct db *db, const char *email, struct user_row *u,
    struct err *e)
{
	return find(db,
	    "SELECT " USER_COLUMNS " FROM users u"
	    " LEFT JOIN user_credentials c ON c.user_id = u.id"
	    " LEFT JOIN users other ON LOWER(other.email) = LOWER(u.email)"
	    " AND other.id <> u.id"
	    " WHERE LOWER(u.email) = LOWER(?) AND other.id IS NULL",
	    email, u, e);
}

int
user_check(struct db *db, const char *id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id) };
	struct db_rows *rows;
	bool enabled = false;
	int got;

	if (db_query(db, "SELECT disabled_at IS NULL FROM users WHERE id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		enabled = db_col_int(rows, 0) != 0;
	db_rows_end(rows);
	if (got == -1)
		return -1;
	return enabled ? 0 : err_set(e, ERR_UNKNOWN, "User not found");
}

/* Done twice after a lost answer, it says the same. */
static int
sign_out_body(struct db *db, void *ctx, struct err *e)
{
	const struct changing *c = ctx;

	return sign_in_end_all(db, c->id, e);
}

int
user_sign_out(struct db *db, const char *user_id, struct err *e)
{
	struct changing c = { .id = user_id };
	const struct db_tx tx = { .body = sign_out_body, .ctx = &c };

	return db_run(db, &tx, e);
}

/* A user that never had a password gets one with his address. */
static int
insert_password(struct db *db, const struct changing *c, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(c->hash),
		db_arg_text(c->id) };
	struct db_done done;

	if (db_exec(db,
		"INSERT INTO user_credentials"
		" (user_id, email, password_hash, changed_at)"
		" SELECT id, LOWER(email), ?, UTC_TIMESTAMP(6) FROM users"
		" WHERE id = ? AND email IS NOT NULL",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1 ? 0 : not_found(e);
}

static int
password_body(struct db *db, void *ctx, struct err *e)
{
	const struct changing *c = ctx;
	const struct db_arg args[] = { db_arg_text(c->hash),
		db_arg_text(c->id) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE user_credentials SET password_hash = ?,"
		" changed_at = UTC_TIMESTAMP(6) WHERE user_id = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 0 && insert_password(db, c, e) == -1)
		return -1;
	return sign_in_end_all(db, c->id, e);
}

int
user_set_password(struct db *db, const char *id, const char *hash,
    struct err *e)
{
	struct changing c = { .id = id, .hash = hash };
	const struct db_tx tx = { .body = password_body, .ctx = &c };

	return db_run(db, &tx, e);
}

int
user_rehash(struct db *db, const char *id, const char *old_hash,
    const char *new_hash, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(new_hash), db_arg_text(id),
		db_arg_text(old_hash) };

	return db_exec_again(db,
	    "UPDATE user_credentials SET password_hash = ?"
	    " WHERE user_id = ? AND password_hash = ?",
	    DB_ARGS(args), NULL, e);
}

int
user_confirm(struct db *db, const char *id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE users SET email_checked = 1,"
		" updated_at = updated_at"
		" WHERE id = ? AND email IS NOT NULL",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1 ? 0 : not_found(e);
}

int
user_email_folded(struct db *db, const char *email, char *out, size_t size,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(email) };
	struct db_rows *rows;
	int got;

	if (db_query(db, "SELECT LOWER(?)", DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1)
		(void)snprintf(out, size, "%s", db_col_text(rows, 0));
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

static int
disabled_body(struct db *db, void *ctx, struct err *e)
{
	const struct changing *c = ctx;
	const struct db_arg args[] = { db_arg_int(c->disabled),
		db_arg_text(c->id) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE users SET disabled_at ="
		" IF(?, COALESCE(disabled_at, UTC_TIMESTAMP(6)), NULL)"
		" WHERE id = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 0)
		return not_found(e);
	return c->disabled ? sign_in_end_all(db, c->id, e) : 0;
}

int
user_set_disabled(struct db *db, const char *id, bool disabled, struct err *e)
{
	struct changing c = { .id = id, .disabled = disabled };
	const struct db_tx tx = { .body = disabled_body, .ctx = &c };

	return db_run(db, &tx, e);
}

int
user_list(struct db *db, user_row_fn *fn, void *ctx, struct err *e)
{
	struct db_rows *rows;
	struct user_row u;
	int got;

	if (db_query(db,
		"SELECT u.id, u.email, u.disabled_at IS NOT NULL,"
		" c.user_id IS NOT NULL, u.created_at, '', u.sign_in_epoch"
		" FROM users u LEFT JOIN user_credentials c"
		" ON c.user_id = u.id ORDER BY u.created_at, u.id",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1) {
		fill(&u, rows);
		if (fn(ctx, &u, e) == -1) {
			got = -1;
			break;
		}
	}
	db_rows_end(rows);
	return got;
}
