#include <stdlib.h>

#include "store/live.h"
#include "store/queue.h"
#include "store/rows.h"

/* More tasks than one machine can ever run. */
#define OWNED_MAX 100000

struct renewing {
	const struct hold *hold;
	unsigned int lease_s;
};

/* A task of queue_owned(). */
struct owned {
	struct hold hold;
	bool cancel;
};

struct owned_list {
	struct owned *items;
	size_t n;
	size_t room;
};

int
queue_hold_state(struct db *db, const struct hold *h, enum hold_state *state,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	*state = HOLD_SUPERSEDED;
	if (db_query(db,
		"SELECT cancel_requested_at IS NOT NULL FROM task_queue"
		" WHERE task_id = ? AND attempt = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*state = db_col_int(rows, 0) != 0 ? HOLD_CANCEL : HOLD_OURS;
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

/*
 * The ordinary case is one statement; it may be repeated as it is. The owner
 * is written too: after a reboot the machine goes on under another name.
 */
static int
extend(struct db *db, const char *owner, const struct renewing *r,
    bool *extended, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(owner),
		db_arg_uint(r->lease_s), db_arg_int(r->hold->task_id),
		db_arg_uint(r->hold->attempt) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE task_queue SET owner = ?,"
		" lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND"
		" WHERE task_id = ? AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	*extended = done.matched == 1;
	return 0;
}

static int
revive_body(struct db *db, void *ctx, struct err *e)
{
	const struct renewing *r = ctx;

	return live_revive(db, r->hold, r->lease_s, e) == -1 ? -1 : 0;
}

int
queue_renew(struct db *db, const char *owner, const struct hold *h,
    unsigned int lease_s, enum hold_state *state, struct err *e)
{
	struct renewing r = { h, lease_s };
	const struct db_tx tx = { .body = revive_body, .ctx = &r };
	bool extended;

	*state = HOLD_SUPERSEDED;
	if (extend(db, owner, &r, &extended, e) == -1)
		return -1;
	if (!extended &&
	    (db_run(db, &tx, e) == -1 ||
		extend(db, owner, &r, &extended, e) == -1))
		return -1;
	return queue_hold_state(db, h, state, e);
}

static int
add_owned(struct owned_list *l, struct db_rows *rows, struct err *e)
{
	struct owned *p;

	if (l->n == l->room) {
		if (l->room >= OWNED_MAX)
			return err_set(e, ERR_BROKEN,
			    "more running tasks than can be");
		l->room = l->room == 0 ? 64 : 2 * l->room;
		p = realloc(l->items, l->room * sizeof(*p));
		if (p == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		l->items = p;
	}
	l->items[l->n].hold.task_id = db_col_int(rows, 0);
	l->items[l->n].hold.attempt = (unsigned int)db_col_uint(rows, 1);
	l->items[l->n].cancel = db_col_int(rows, 2) != 0;
	l->n++;
	return 0;
}

int
rows_owned(struct db_rows *rows, hold_fn *fn, void *ctx, struct err *e)
{
	struct owned_list l = { 0 };
	int got, rc = -1;

	while ((got = db_next(rows, e)) == 1)
		if (add_owned(&l, rows, e) == -1) {
			got = -1;
			break;
		}
	db_rows_end(rows);
	if (got == -1)
		goto out;
	for (size_t i = 0; i < l.n; i++)
		if (fn(ctx, &l.items[i].hold, l.items[i].cancel, e) == -1)
			goto out;
	rc = 0;
out:
	free(l.items);
	return rc;
}

int
queue_owned(struct db *db, const char *owner, hold_fn *fn, void *ctx,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(owner) };
	struct db_rows *rows;

	if (db_query(db,
		"SELECT task_id, attempt, cancel_requested_at IS NOT NULL"
		" FROM task_queue WHERE owner = ? AND state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	return rows_owned(rows, fn, ctx, e);
}

int
queue_owned_by_past_boots(struct db *db, const char *machine_id,
    const char *boot_id, hold_fn *fn, void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(machine_id),
		db_arg_text(machine_id), db_arg_text(machine_id),
		db_arg_text(boot_id) };
	struct db_rows *rows;

	/* ';' is what follows ':', so this is the range of "machine:...". */
	if (db_query(db,
		"SELECT task_id, attempt, cancel_requested_at IS NOT NULL"
		" FROM task_queue WHERE owner > CONCAT(?, ':')"
		" AND owner < CONCAT(?, ';')"
		" AND owner <> CONCAT(?, ':', ?) AND state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	return rows_owned(rows, fn, ctx, e);
}
