#include <stdio.h>

#include "store/account.h"
#include "store/sign_in.h"

int
identity_link(struct db *db, const char *provider, const char *subject,
    const char *user_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(provider),
		db_arg_text(subject), db_arg_text(user_id) };
	char owner[37];

	if (db_exec(db,
		"INSERT INTO identities (provider, subject, user_id,"
		" created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
		DB_ARGS(args), NULL, e) == 0)
		return 0;
	if (e->kind != ERR_CONFLICT)
		return -1;
	if (identity_find(db, provider, subject, owner, e) == -1)
		return -1;
	return err_set(e, ERR_CONFLICT, "%s is linked to user %s already",
	    subject, owner);
}

struct unlinking {
	const char *provider;
	const char *subject;
	const char *user_id;
};

static int
unlink_body(struct db *db, void *ctx, struct err *e)
{
	const struct unlinking *u = ctx;
	const struct db_arg args[] = { db_arg_text(u->provider),
		db_arg_text(u->subject), db_arg_text(u->user_id) };
	struct db_done done;

	if (db_exec(db,
		"DELETE FROM identities WHERE provider = ? AND subject = ?"
		" AND user_id = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return err_set(e, ERR_ABSENT, "%s is not linked to the user",
		    u->subject);
	return sign_in_end_all(db, u->user_id, e);
}

int
identity_unlink(struct db *db, const char *provider, const char *subject,
    const char *user_id, struct err *e)
{
	struct unlinking u = { provider, subject, user_id };
	const struct db_tx tx = { .body = unlink_body, .ctx = &u };

	return db_run(db, &tx, e);
}

int
identity_find(struct db *db, const char *provider, const char *subject,
    char user_id[37], struct err *e)
{
	const struct db_arg args[] = { db_arg_text(provider),
		db_arg_text(subject) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT user_id FROM identities"
		" WHERE provider = ? AND subject = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1)
		(void)snprintf(user_id, 37, "%s", db_col_text(rows, 0));
	db_rows_end(rows);
	if (got == 0)
		return err_set(e, ERR_ABSENT, "linked to nobody");
	return got == 1 ? 0 : -1;
}

int
invitation_add(struct db *db, const char *email, long days, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(email), db_arg_int(days) };

	return db_exec_again(db,
	    "INSERT INTO invitations (email, created_at, expires_at)"
	    " VALUES (LOWER(?), UTC_TIMESTAMP(6),"
	    "  UTC_TIMESTAMP(6) + INTERVAL ? DAY)"
	    " ON DUPLICATE KEY UPDATE created_at = VALUES(created_at),"
	    "  expires_at = VALUES(expires_at), used_at = NULL",
	    DB_ARGS(args), NULL, e);
}
