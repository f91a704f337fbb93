#include "store/remove.h"
#include "store/user.h"

struct deleting {
	struct remove_scope scope;
	bool found;
	bool rest;
};

static int
absent(struct err *e)
{
	return err_set(e, ERR_ABSENT, "User not found");
}

static int
delete_body(struct db *db, void *ctx, struct err *e)
{
	struct deleting *d = ctx;
	const struct db_arg args[] = { db_arg_text(d->scope.user_id) };
	int got;

	got = remove_lock_user(db, d->scope.user_id, e);
	if (got != 1)
		return got == 0 ? absent(e) : -1;
	d->found = true;
	if (remove_tasks(db, &d->scope, &d->rest, e) == -1)
		return -1;
	if (d->rest)
		return 0;
	/* Keys may outlive their task; everything else has a foreign key. */
	if (db_exec(db, "DELETE FROM idempotency_keys WHERE user_id = ?",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	return db_exec(db, "DELETE FROM users WHERE id = ?", DB_ARGS(args),
	    NULL, e);
}

/* His absence is the proof, if it was us who saw him last. */
static int
delete_committed(struct db *db, void *ctx, struct err *e)
{
	const struct deleting *d = ctx;
	const struct db_arg args[] = { db_arg_text(d->scope.user_id) };
	struct db_rows *rows;
	int got;

	if (!d->found || d->rest)
		return 0;
	if (db_query(db, "SELECT 1 FROM users WHERE id = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got == -1 ? -1 : got == 0;
}

int
user_delete(struct db *db, const char *id, struct err *e)
{
	struct deleting d = { .scope = { .user_id = id } };
	const struct db_tx tx = { .body = delete_body,
		.committed = delete_committed,
		.ctx = &d };

	do {
		if (db_run(db, &tx, e) == -1)
			return -1;
	} while (d.rest);
	return 0;
}
