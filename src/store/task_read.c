#include <string.h>

#include "store/task.h"
#include "util/clock.h"

/* The three groups of struct task_row, in this order in every SELECT. */
#define GROUP_1                                                               \
	"t.id, t.project_id, t.status, t.agent, t.repo_url, t.target_branch," \
	" t.commit_hash, t.error, t.changed_files, t.prompt, t.created_at"
#define GROUP_2 "t.patch_bytes, t.chat_messages"
#define GROUP_3                                                          \
	"t.user_id, t.pr_branch, t.container_id, t.pr_number, t.pr_url," \
	" t.git_diff, t.git_patch, t.execution_metadata, t.updated_at,"  \
	" t.started_at, t.completed_at, t.is_test_data, t.failure_code"

#define GROUP_1_N 11
#define GROUP_2_N 2
#define GROUP_3_N 13

#define ALL_ROWS UINT64_MAX

/* Times in the contract's format, for as long as a row is looked at. */
struct times {
	char created[CLOCK_TEXT];
	char updated[CLOCK_TEXT];
	char started[CLOCK_TEXT];
	char completed[CLOCK_TEXT];
};

static int
absent(struct err *e)
{
	return err_set(e, ERR_ABSENT, "Task not found");
}

static const char *
text_or_null(struct db_rows *rows, unsigned int i)
{
	return db_col_null(rows, i) ? NULL : db_col_text(rows, i);
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
	const char *text;
	size_t len;

	text = db_col_bytes(rows, i, &len);
	clock_text_of_db(out, text, len);
}

static void
fill_1(struct task_row *r, struct times *t, struct db_rows *rows,
    unsigned int at)
{
	r->id = db_col_int(rows, at);
	r->has_project = !db_col_null(rows, at + 1);
	r->project_id = db_col_int(rows, at + 1);
	r->status = db_col_null(rows, at + 2) ? task_state_name(TASK_PENDING)
					      : db_col_text(rows, at + 2);
	r->agent = text_or_null(rows, at + 3);
	r->repo_url = text_or_null(rows, at + 4);
	r->target_branch = text_or_null(rows, at + 5);
	r->commit_hash = text_or_null(rows, at + 6);
	r->error = text_or_null(rows, at + 7);
	r->changed_files = bytes_or_null(rows, at + 8, &r->changed_files_len);
	r->prompt = db_col_bytes(rows, at + 9, &r->prompt_len);
	time_of(t->created, rows, at + 10);
	r->created_at = t->created;
}

static void
fill_2(struct task_row *r, struct db_rows *rows, unsigned int at)
{
	r->has_patch = db_col_int(rows, at) > 0;
	r->chat_messages = bytes_or_null(rows, at + 1, &r->chat_messages_len);
}

static void
fill_3(struct task_row *r, struct times *t, struct db_rows *rows,
    unsigned int at)
{
	r->user_id = db_col_text(rows, at);
	r->pr_branch = text_or_null(rows, at + 1);
	r->container_id = text_or_null(rows, at + 2);
	r->has_pr_number = !db_col_null(rows, at + 3);
	r->pr_number = db_col_int(rows, at + 3);
	r->pr_url = text_or_null(rows, at + 4);
	r->git_diff = bytes_or_null(rows, at + 5, &r->git_diff_len);
	r->git_patch = bytes_or_null(rows, at + 6, &r->git_patch_len);
	r->execution_metadata =
	    bytes_or_null(rows, at + 7, &r->execution_metadata_len);
	time_of(t->updated, rows, at + 8);
	time_of(t->started, rows, at + 9);
	time_of(t->completed, rows, at + 10);
	r->updated_at = t->updated;
	r->started_at = t->started[0] == '\0' ? NULL : t->started;
	r->completed_at = t->completed[0] == '\0' ? NULL : t->completed;
	r->is_test_data = db_col_int(rows, at + 11) != 0;
	r->failure_code = text_or_null(rows, at + 12);
}

/* Column 0 tells about the user, and the task follows, NULL if not his. */
static int
read_status(struct db_rows *rows, task_row_fn *fn, void *ctx, struct err *e)
{
	struct task_row r = { 0 };
	struct times t;
	int got;

	got = db_next(rows, e);
	if (got == -1)
		return -1;
	if (got == 0 || db_col_int(rows, 0) == 0)
		return err_set(e, ERR_UNKNOWN, "User not found");
	if (db_col_null(rows, 1))
		return absent(e);
	fill_1(&r, &t, rows, 1);
	return fn(ctx, &r, e);
}

int
task_status_get(struct db *db, const char *user_id, int64_t id, task_row_fn *fn,
    void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int rc;

	if (db_query(db,
		"SELECT u.disabled_at IS NULL, " GROUP_1
		" FROM users u LEFT JOIN tasks t"
		" ON t.id = ? AND t.user_id = u.id WHERE u.id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	rc = read_status(rows, fn, ctx, e);
	db_rows_end(rows);
	return rc;
}

int
task_get(struct db *db, const char *user_id, int64_t id, task_row_fn *fn,
    void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct task_row r = { 0 };
	struct times t;
	struct db_rows *rows;
	int rc;

	if (db_query(db,
		"SELECT " GROUP_1 ", " GROUP_2 ", " GROUP_3
		" FROM tasks t WHERE t.id = ? AND t.user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	rc = db_next(rows, e);
	if (rc == 1) {
		fill_1(&r, &t, rows, 0);
		fill_2(&r, rows, GROUP_1_N);
		fill_3(&r, &t, rows, GROUP_1_N + GROUP_2_N);
		rc = fn(ctx, &r, e);
	} else if (rc == 0) {
		rc = absent(e);
	}
	db_rows_end(rows);
	return rc;
}

int
task_diff_get(struct db *db, const char *user_id, int64_t id, task_row_fn *fn,
    void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct task_row r = { 0 };
	struct db_rows *rows;
	int rc;

	if (db_query(db,
		"SELECT id, COALESCE(status, 'pending'), git_diff"
		" FROM tasks WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	rc = db_next(rows, e);
	if (rc == 1) {
		r.id = db_col_int(rows, 0);
		r.status = db_col_text(rows, 1);
		r.git_diff = bytes_or_null(rows, 2, &r.git_diff_len);
		rc = fn(ctx, &r, e);
	} else if (rc == 0) {
		rc = absent(e);
	}
	db_rows_end(rows);
	return rc;
}

/*
 * The four lists. The index is named because without a LIMIT the optimizer
 * may think that reading the whole table and sorting it were cheaper.
 */
#define LIST_OF(key)                                                         \
	"SELECT " GROUP_1 ", " GROUP_2 " FROM tasks t FORCE INDEX (" key ")" \
	" WHERE t.user_id = ? AND (? IS NULL OR t.status = ?)"
#define IN_PROJECT " AND t.project_id = ?"
#define BEFORE " AND t.created_at <= ? AND (t.created_at < ? OR t.id < ?)"
#define NEWEST_FIRST " ORDER BY t.created_at DESC, t.id DESC LIMIT ?"

static const char *const lists[2][2] = {
	{ LIST_OF("k_user") NEWEST_FIRST,
	    LIST_OF("k_user") BEFORE NEWEST_FIRST },
	{ LIST_OF("k_project") IN_PROJECT NEWEST_FIRST,
	    LIST_OF("k_project") IN_PROJECT BEFORE NEWEST_FIRST },
};

/* When the task was made that a page ends with. "" if it is not there. */
static int
read_mark(struct db *db, const char *user_id, int64_t id, char mark[32],
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	const char *text;
	size_t len;
	int got;

	mark[0] = '\0';
	if (db_query(db,
		"SELECT CAST(created_at AS CHAR) FROM tasks"
		" WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		text = db_col_bytes(rows, 0, &len);
		if (len < 32)
			(void)memcpy(mark, text, len + 1);
	}
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

static int
read_list(struct db_rows *rows, task_row_fn *fn, void *ctx, struct err *e)
{
	struct task_row r;
	struct times t;
	int got;

	while ((got = db_next(rows, e)) == 1) {
		memset(&r, 0, sizeof(r));
		fill_1(&r, &t, rows, 0);
		fill_2(&r, rows, GROUP_1_N);
		if (fn(ctx, &r, e) == -1)
			return -1;
	}
	return got;
}

int
task_list(struct db *db, const char *user_id, const struct task_filter *f,
    task_row_fn *fn, void *ctx, struct err *e)
{
	struct db_arg args[8], status;
	struct db_rows *rows;
	char mark[32];
	size_t n = 0;
	int rc;

	status = f->status == TASK_STATE_N
	    ? db_arg_null()
	    : db_arg_text(task_state_name(f->status));
	args[n++] = db_arg_text(user_id);
	args[n++] = status;
	args[n++] = status;
	if (f->project_id != 0)
		args[n++] = db_arg_int(f->project_id);
	if (f->before != 0) {
		if (read_mark(db, user_id, f->before, mark, e) == -1)
			return -1;
		if (mark[0] == '\0')
			return 0;
		args[n++] = db_arg_text(mark);
		args[n++] = db_arg_text(mark);
		args[n++] = db_arg_int(f->before);
	}
	args[n++] = db_arg_uint(f->limit == 0 ? ALL_ROWS : f->limit);
	if (db_query(db, lists[f->project_id != 0][f->before != 0], args, n,
		&rows, e) == -1)
		return -1;
	rc = read_list(rows, fn, ctx, e);
	db_rows_end(rows);
	return rc;
}

/* Everything, with the names of the project that it belongs to. */
#define FULL_OF(from, where)                                           \
	"SELECT " GROUP_1 ", " GROUP_2 ", " GROUP_3                    \
	", p.name, p.repo_name, p.repo_owner FROM tasks t" from        \
	" LEFT JOIN projects p ON p.id = t.project_id AND p.user_id =" \
	" t.user_id WHERE t.user_id = ?" where                         \
	" ORDER BY t.created_at DESC, t.id DESC"

static const char *const full_of_user = FULL_OF(" FORCE INDEX (k_user)", "");
static const char *const full_of_project =
    FULL_OF(" FORCE INDEX (k_project)", " AND t.project_id = ?");
static const char *const full_of_one = FULL_OF("", " AND t.id = ?");

static void
fill_project(struct task_row *r, struct db_rows *rows, unsigned int at)
{
	r->project_name = text_or_null(rows, at);
	r->project_repo_name = text_or_null(rows, at + 1);
	r->project_repo_owner = text_or_null(rows, at + 2);
}

static int
read_full(struct db_rows *rows, task_row_fn *fn, void *ctx, struct err *e)
{
	struct task_row r;
	struct times t;
	int got;

	while ((got = db_next(rows, e)) == 1) {
		memset(&r, 0, sizeof(r));
		fill_1(&r, &t, rows, 0);
		fill_2(&r, rows, GROUP_1_N);
		fill_3(&r, &t, rows, GROUP_1_N + GROUP_2_N);
		fill_project(&r, rows, GROUP_1_N + GROUP_2_N + GROUP_3_N);
		if (fn(ctx, &r, e) == -1)
			return -1;
	}
	return got;
}

int
task_list_full(struct db *db, const char *user_id, const struct task_pick *pick,
    task_row_fn *fn, void *ctx, struct err *e)
{
	const bool all = pick->id == 0 && pick->project_id == 0;
	const struct db_arg args[] = { db_arg_text(user_id),
		db_arg_int(pick->id != 0 ? pick->id : pick->project_id) };
	const char *sql = pick->id != 0 ? full_of_one
	    : all                       ? full_of_user
					: full_of_project;
	struct db_rows *rows;
	int rc;

	if (db_query(db, sql, args, all ? 1 : 2, &rows, e) == -1)
		return -1;
	rc = read_full(rows, fn, ctx, e);
	db_rows_end(rows);
	return rc;
}
