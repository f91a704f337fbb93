#include "store/machine.h"

#include <stdio.h>

struct registering {
	const char *id;
	const char *boot_id;
	unsigned int fresh_s;
};

/* 1: somebody with another boot id was here just now. */
static int
is_taken(struct db *db, const struct registering *r, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(r->fresh_s),
		db_arg_text(r->boot_id), db_arg_text(r->id) };
	struct db_rows *rows;
	int got, taken = 0;

	if (db_query(db,
		"SELECT seen_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND"
		" AND boot_id <> ? FROM machines WHERE id = ? FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		taken = db_col_int(rows, 0) != 0;
	db_rows_end(rows);
	return got == -1 ? -1 : taken;
}

static int
register_body(struct db *db, void *ctx, struct err *e)
{
	const struct registering *r = ctx;
	const struct db_arg args[] = { db_arg_text(r->id),
		db_arg_text(r->boot_id) };
	int taken = is_taken(db, r, e);

	if (taken == -1)
		return -1;
	if (taken == 1)
		return err_set(e, ERR_CONFLICT,
		    "machine %s is alive elsewhere: was its state folder"
		    " copied?",
		    r->id);
	return db_exec(db,
	    "INSERT INTO machines (id, boot_id, seen_at)"
	    " VALUES (?, ?, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE"
	    " boot_id = VALUES(boot_id), seen_at = VALUES(seen_at),"
	    " trouble = NULL",
	    DB_ARGS(args), NULL, e);
}

int
machine_register(struct db *db, const char *id, const char *boot_id,
    unsigned int fresh_s, struct err *e)
{
	struct registering r = { id, boot_id, fresh_s };
	const struct db_tx tx = { .body = register_body, .ctx = &r };

	return db_run(db, &tx, e);
}

int
machine_beat(struct db *db, const char *id, const char *trouble, struct err *e)
{
	const struct db_arg args[] = { trouble == NULL ? db_arg_null()
						       : db_arg_text(trouble),
		db_arg_text(id) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE machines SET seen_at = UTC_TIMESTAMP(6), trouble = ?"
		" WHERE id = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return err_set(e, ERR_ABSENT, "machine %s is not registered",
		    id);
	return 0;
}

int
machine_age_s(struct db *db, double *age_s, struct err *e)
{
	struct db_rows *rows;
	int got;

	*age_s = -1;
	if (db_query(db,
		"SELECT TIMESTAMPDIFF(MICROSECOND, MAX(seen_at),"
		" UTC_TIMESTAMP(6)) FROM machines",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1 && !db_col_null(rows, 0))
		*age_s = (double)db_col_int(rows, 0) / 1e6;
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

int
machine_trouble(struct db *db, unsigned int fresh_s,
    char trouble[MACHINE_TROUBLE_MAX], struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(fresh_s) };
	struct db_rows *rows;
	int got;

	trouble[0] = '\0';
	if (db_query(db,
		"SELECT COALESCE(trouble, '') FROM machines"
		" WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND"
		" ORDER BY trouble IS NOT NULL, seen_at DESC LIMIT 1",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		(void)snprintf(trouble, MACHINE_TROUBLE_MAX, "%s",
		    db_col_text(rows, 0));
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

/* Not repeated by itself: a number too few is better than one too many. */
int
machine_cloud_note(struct db *db, const char *id, bool whole, unsigned int seen,
    unsigned int killed, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(killed),
		db_arg_uint(whole ? 1 : 0), db_arg_uint(seen),
		db_arg_uint(whole ? 1 : 0), db_arg_text(id) };

	return db_exec(db,
	    "UPDATE machines SET sandboxes_killed = sandboxes_killed + ?,"
	    " sandboxes = IF(?, ?, sandboxes), sandboxes_seen_at ="
	    " IF(?, UTC_TIMESTAMP(6), sandboxes_seen_at) WHERE id = ?",
	    DB_ARGS(args), NULL, e);
}

int
machine_cloud_get(struct db *db, struct machine_cloud *m, struct err *e)
{
	struct db_rows *rows;
	int got;

	*m = (struct machine_cloud){ .sandboxes = -1 };
	if (db_query(db,
		"SELECT (SELECT sandboxes FROM machines"
		"  WHERE sandboxes_seen_at IS NOT NULL"
		"  ORDER BY sandboxes_seen_at DESC LIMIT 1),"
		" TIMESTAMPDIFF(SECOND, MAX(sandboxes_seen_at),"
		"  UTC_TIMESTAMP(6)),"
		" CAST(COALESCE(SUM(sandboxes_killed), 0) AS SIGNED)"
		" FROM machines",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1 && !db_col_null(rows, 0)) {
		m->sandboxes = db_col_int(rows, 0);
		m->age_s = db_col_int(rows, 1);
	}
	if (got == 1)
		m->killed = db_col_int(rows, 2);
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}
