#include "store/audit.h"

#include <stdio.h>

#include "util/clock.h"

int
audit_add(struct db *db, const struct audit_entry *a, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(a->kind),
		db_arg_text(a->user_id), db_arg_text(a->actor),
		db_arg_text(a->address), db_arg_text(a->request_id),
		db_arg_text(a->detail) };

	/* LEFT: strict mode would refuse what is too long. */
	return db_exec(db,
	    "INSERT INTO audit_log"
	    " (at, kind, user_id, actor, address, request_id, detail)"
	    " VALUES (UTC_TIMESTAMP(6), ?, ?, LEFT(?, 100), LEFT(?, 45),"
	    "  LEFT(?, 64), LEFT(COALESCE(?, ''), 1000))",
	    DB_ARGS(args), NULL, e);
}

static void
fill(struct audit_row *a, struct db_rows *rows)
{
	const char *at;
	size_t len;

	a->id = db_col_int(rows, 0);
	at = db_col_bytes(rows, 1, &len);
	clock_text_of_db(a->at, at, len);
	(void)snprintf(a->kind, sizeof(a->kind), "%s", db_col_text(rows, 2));
	(void)snprintf(a->user_id, sizeof(a->user_id), "%s",
	    db_col_text(rows, 3));
	(void)snprintf(a->actor, sizeof(a->actor), "%s", db_col_text(rows, 4));
	(void)snprintf(a->address, sizeof(a->address), "%s",
	    db_col_text(rows, 5));
	(void)snprintf(a->request_id, sizeof(a->request_id), "%s",
	    db_col_text(rows, 6));
	(void)snprintf(a->detail, sizeof(a->detail), "%s",
	    db_col_text(rows, 7));
}

int
audit_list(struct db *db, const char *user_id, int64_t limit, audit_fn *fn,
    void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(user_id == NULL),
		db_arg_text(user_id), db_arg_int(limit) };
	struct audit_row a;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT id, at, kind, user_id, actor, address, request_id,"
		" detail FROM audit_log WHERE ? OR user_id = ?"
		" ORDER BY id DESC LIMIT ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1) {
		fill(&a, rows);
		if (fn(ctx, &a, e) == -1) {
			got = -1;
			break;
		}
	}
	db_rows_end(rows);
	return got;
}

int
audit_tidy(struct db *db, long days, int64_t limit, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(days), db_arg_int(limit) };
	struct db_done done;

	if (db_exec_again(db,
		"DELETE FROM audit_log WHERE at <"
		" UTC_TIMESTAMP(6) - INTERVAL ? DAY LIMIT ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return (int64_t)done.matched >= limit;
}
