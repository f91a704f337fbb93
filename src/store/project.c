#include "store/project.h"

#include "store/remove.h"
#include "util/clock.h"

#define COLUMNS                                                           \
	"p.id, p.user_id, p.repo_url, p.repo_name, p.repo_owner, p.name," \
	" p.description, p.is_active, p.settings, p.created_at,"          \
	" p.updated_at, p.is_test_data"

static int
absent(struct err *e)
{
	return err_set(e, ERR_ABSENT, "Project not found");
}

static const char *
bytes_or_null(struct db_rows *rows, unsigned int i, size_t *len)
{
	const char *bytes = db_col_bytes(rows, i, len);

	return db_col_null(rows, i) ? NULL : bytes;
}

static void
time_of(char out[CLOCK_TEXT], struct db_rows *rows, unsigned int i)
{
	size_t len;
	const char *text = db_col_bytes(rows, i, &len);

	clock_text_of_db(out, text, len);
}

/* Hands the current row to fn. */
static int
give(struct db_rows *rows, project_row_fn *fn, void *ctx, struct err *e)
{
	char created[CLOCK_TEXT], updated[CLOCK_TEXT];
	struct project_row r = { 0 };

	r.id = db_col_int(rows, 0);
	r.user_id = db_col_text(rows, 1);
	r.repo_url = db_col_text(rows, 2);
	r.repo_name = db_col_text(rows, 3);
	r.repo_owner = db_col_text(rows, 4);
	r.name = db_col_bytes(rows, 5, &r.name_len);
	r.description = bytes_or_null(rows, 6, &r.description_len);
	r.is_active = db_col_int(rows, 7) != 0;
	r.settings = bytes_or_null(rows, 8, &r.settings_len);
	time_of(created, rows, 9);
	time_of(updated, rows, 10);
	r.created_at = created;
	r.updated_at = updated;
	r.is_test_data = db_col_int(rows, 11) != 0;
	return fn(ctx, &r, e);
}

int
project_list(struct db *db, const char *user_id, project_row_fn *fn, void *ctx,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT " COLUMNS " FROM projects p WHERE p.user_id = ?"
		" ORDER BY p.created_at DESC, p.id DESC",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	while ((got = db_next(rows, e)) == 1) {
		if (give(rows, fn, ctx, e) == -1) {
			got = -1;
			break;
		}
	}
	db_rows_end(rows);
	return got;
}

int
project_get(struct db *db, const char *user_id, int64_t id, project_row_fn *fn,
    void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int rc;

	if (db_query(db,
		"SELECT " COLUMNS " FROM projects p"
		" WHERE p.id = ? AND p.user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	rc = db_next(rows, e);
	if (rc == 1)
		rc = give(rows, fn, ctx, e);
	else if (rc == 0)
		rc = absent(e);
	db_rows_end(rows);
	return rc;
}

/* 1 if the statement finds the user's project, 0 if not. */
static int
look(struct db *db, const char *sql, const char *user_id, int64_t id,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db, sql, DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

int
project_check(struct db *db, const char *user_id, int64_t id, struct err *e)
{
	int got =
	    look(db, "SELECT 1 FROM projects WHERE id = ? AND user_id = ?",
		user_id, id, e);

	return got == 0 ? absent(e) : got == 1 ? 0 : -1;
}

struct adding {
	const char *user_id;
	const struct project_values *values;
	int64_t id;
};

static int
add_body(struct db *db, void *ctx, struct err *e)
{
	struct adding *a = ctx;
	const struct project_values *v = a->values;
	const struct db_arg args[] = { db_arg_text(a->user_id),
		db_arg_text(v->repo_url), db_arg_text(v->repo_name),
		db_arg_text(v->repo_owner), db_arg_text(v->name),
		db_arg_text(v->description),
		db_arg_string(v->settings, v->settings_len) };
	struct db_done done;

	if (db_exec(db,
		"INSERT INTO projects (user_id, repo_url, repo_name,"
		" repo_owner, name, description, settings)"
		" VALUES (?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	a->id = (int64_t)done.insert_id;
	return 0;
}

/* Asked only when the INSERT went in, so that the row is ours if it is there.
 */
static int
add_committed(struct db *db, void *ctx, struct err *e)
{
	const struct adding *a = ctx;

	return look(db,
	    "SELECT 1 FROM projects WHERE id = ? AND user_id = ?"
	    " LOCK IN SHARE MODE",
	    a->user_id, a->id, e);
}

int
project_add(struct db *db, const char *user_id, const struct project_values *v,
    int64_t *id, struct err *e)
{
	struct adding a = { user_id, v, 0 };
	const struct db_tx tx = { .body = add_body,
		.committed = add_committed,
		.ctx = &a };

	if (db_run(db, &tx, e) == -1)
		return -1;
	*id = a.id;
	return 0;
}

int
project_update(struct db *db, const char *user_id, int64_t id,
    const struct project_values *v, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(v->name),
		db_arg_text(v->repo_url), db_arg_text(v->repo_owner),
		db_arg_text(v->repo_name), db_arg_int(v->set_description),
		db_arg_text(v->description),
		v->set_active ? db_arg_int(v->is_active) : db_arg_null(),
		v->settings == NULL
		    ? db_arg_null()
		    : db_arg_string(v->settings, v->settings_len),
		db_arg_int(id), db_arg_text(user_id) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE projects SET name = COALESCE(?, name),"
		" repo_url = COALESCE(?, repo_url),"
		" repo_owner = COALESCE(?, repo_owner),"
		" repo_name = COALESCE(?, repo_name),"
		" description = IF(?, ?, description),"
		" is_active = COALESCE(?, is_active),"
		" settings = COALESCE(?, settings),"
		" updated_at = UTC_TIMESTAMP(6) WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1 ? 0 : absent(e);
}

struct deleting {
	struct remove_scope scope;
	bool found; /* it was there when we looked first */
	bool rest;
};

static int
delete_body(struct db *db, void *ctx, struct err *e)
{
	struct deleting *d = ctx;
	const struct db_arg args[] = { db_arg_int(d->scope.project_id),
		db_arg_text(d->scope.user_id) };
	int got;

	got = remove_lock_user(db, d->scope.user_id, e);
	if (got == 1)
		got = look(db,
		    "SELECT 1 FROM projects WHERE id = ? AND user_id = ?"
		    " FOR UPDATE",
		    d->scope.user_id, d->scope.project_id, e);
	if (got != 1)
		return got == 0 ? absent(e) : -1;
	d->found = true;
	if (remove_tasks(db, &d->scope, &d->rest, e) == -1)
		return -1;
	if (d->rest)
		return 0;
	return db_exec(db, "DELETE FROM projects WHERE id = ? AND user_id = ?",
	    DB_ARGS(args), NULL, e);
}

/* Its absence is the proof, if it was us who saw it last. */
static int
delete_committed(struct db *db, void *ctx, struct err *e)
{
	const struct deleting *d = ctx;
	int got;

	if (!d->found || d->rest)
		return 0;
	got = look(db,
	    "SELECT 1 FROM projects WHERE id = ? AND user_id = ?"
	    " LOCK IN SHARE MODE",
	    d->scope.user_id, d->scope.project_id, e);
	return got == -1 ? -1 : got == 0;
}

int
project_delete(struct db *db, const char *user_id, int64_t id, struct err *e)
{
	struct deleting d = { .scope = { user_id, id } };
	const struct db_tx tx = { .body = delete_body,
		.committed = delete_committed,
		.ctx = &d };

	/* 0 would mean all that the user has. */
	if (id <= 0)
		return absent(e);
	do {
		if (db_run(db, &tx, e) == -1)
			return -1;
	} while (d.rest);
	return 0;
}
