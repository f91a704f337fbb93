/* Pull requests on their way: the API's side of store/publish.h. */
#include "store/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/rows.h"

static const char *const states[] = {
	[PUBLISH_NONE] = "",
	[PUBLISH_REQUESTED] = "requested",
	[PUBLISH_RUNNING] = "running",
	[PUBLISH_PUSHED] = "pushed",
	[PUBLISH_DONE] = "done",
	[PUBLISH_FAILED] = "failed",
};

void
publish_task_clear(struct publish_task *t)
{
	free(t->repo_url);
	free(t->branch);
	free(t->prompt);
	free(t->changed_files);
	free(t->pr_branch);
	free(t->pr_url);
	memset(t, 0, sizeof(*t));
}

static int
take_task(struct publish_task *t, struct db_rows *rows, struct err *e)
{
	size_t len;

	t->status = task_state_of(db_col_text(rows, 0));
	t->patch_bytes = db_col_uint(rows, 1);
	t->repo_url = rows_copy(rows, 2, &len);
	t->branch = rows_copy(rows, 3, &len);
	t->prompt = rows_copy(rows, 4, &len);
	t->changed_files = rows_copy(rows, 5, &len);
	t->has_pull = !db_col_null(rows, 7) && !db_col_null(rows, 8);
	t->pr_branch = rows_copy(rows, 6, &len);
	t->pr_number = db_col_int(rows, 7);
	t->pr_url = rows_copy(rows, 8, &len);
	if (t->repo_url == NULL || t->branch == NULL || t->prompt == NULL ||
	    t->changed_files == NULL || t->pr_branch == NULL ||
	    t->pr_url == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	return 0;
}

int
publish_task_get(struct db *db, const char *user_id, int64_t id,
    struct publish_task *t, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	memset(t, 0, sizeof(*t));
	if (db_query(db,
		"SELECT status, patch_bytes, repo_url, target_branch, prompt,"
		" changed_files, pr_branch, pr_number, pr_url"
		" FROM tasks WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 0)
		(void)err_set(e, ERR_ABSENT, "Task not found");
	if (got == 1 && take_task(t, rows, e) == -1)
		got = -1;
	db_rows_end(rows);
	if (got != 1)
		publish_task_clear(t);
	return got == 1 ? 0 : -1;
}

static enum publish_state
state_of(const char *name)
{
	unsigned int s = PUBLISH_REQUESTED;

	while (s < PUBLISH_FAILED && strcmp(states[s], name) != 0)
		s++;
	return (enum publish_state)s;
}

int
publish_look(struct db *db, const char *user_id, int64_t id,
    struct publish_row *row, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id), db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	memset(row, 0, sizeof(*row));
	if (db_query(db,
		"SELECT state, head_branch, failure, error FROM pull_requests"
		" WHERE task_id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		row->state = state_of(db_col_text(rows, 0));
		(void)snprintf(row->head_branch, sizeof(row->head_branch), "%s",
		    db_col_text(rows, 1));
		(void)snprintf(row->failure, sizeof(row->failure), "%s",
		    db_col_text(rows, 2));
		(void)snprintf(row->error, sizeof(row->error), "%s",
		    db_col_text(rows, 3));
	}
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

/*
 * What a wish changes in a row that is there: of one that failed everything, of
 * one that nobody has claimed yet the credential. The state comes last: the
 * other columns ask what it was.
 */
/* clang-format off */
#define SET_IN(states, column) \
	" " column " = IF(state IN (" states "), VALUES(" column ")," \
	" " column "),"
#define ANEW(column) SET_IN("'failed'", column)
#define NEWEST(column) SET_IN("'failed', 'requested'", column)

#define CHANGES \
	NEWEST("key_id") NEWEST("nonce") NEWEST("sealed") \
	ANEW("repo_url") ANEW("base_branch") ANEW("run_at") \
	ANEW("requested_at") ANEW("tries") ANEW("failure") ANEW("error") \
	ANEW("ended_at") " state = IF(state = 'failed', 'requested', state)"
/* clang-format on */

int
publish_request(struct db *db, const struct publish_new *n, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(n->task_id),
		db_arg_text(n->user_id), db_arg_text(n->key_id),
		db_arg_bytes(n->nonce, 16),
		db_arg_bytes(n->sealed, n->sealed_len),
		db_arg_text(n->repo_url), db_arg_text(n->base_branch) };

	return db_exec_again(db,
	    "INSERT INTO pull_requests (task_id, user_id, state, key_id,"
	    " nonce, sealed, repo_url, base_branch, run_at, requested_at,"
	    " tries, failure, error, ended_at)"
	    " VALUES (?, ?, 'requested', ?, ?, ?, ?, ?, UTC_TIMESTAMP(6),"
	    " UTC_TIMESTAMP(6), 0, NULL, NULL, NULL)"
	    " ON DUPLICATE KEY UPDATE" CHANGES,
	    DB_ARGS(args), NULL, e);
}

struct opening {
	const char *user_id;
	int64_t task_id;
	const struct publish_pull *pull;
};

static int
opened_body(struct db *db, void *ctx, struct err *e)
{
	const struct opening *o = ctx;
	const struct db_arg task[] = { db_arg_text(o->pull->branch),
		db_arg_int(o->pull->number), db_arg_text(o->pull->url),
		db_arg_int(o->task_id), db_arg_text(o->user_id) };
	const struct db_arg row[] = { db_arg_int(o->pull->number),
		db_arg_text(o->pull->url), db_arg_int(o->task_id),
		db_arg_text(o->user_id) };

	if (db_exec(db,
		"UPDATE tasks SET pr_branch = ?, pr_number = ?, pr_url = ?"
		" WHERE id = ? AND user_id = ?",
		DB_ARGS(task), NULL, e) == -1)
		return -1;
	return db_exec(db,
	    "UPDATE pull_requests SET number = ?, url = ?, state = 'done'"
	    " WHERE task_id = ? AND user_id = ? AND state = 'pushed'",
	    DB_ARGS(row), NULL, e);
}

int
publish_opened(struct db *db, const char *user_id, int64_t task_id,
    const struct publish_pull *p, struct err *e)
{
	struct opening o = { user_id, task_id, p };
	const struct db_tx tx = { .body = opened_body, .ctx = &o };

	return db_run(db, &tx, e);
}

int
publish_undo(struct db *db, const char *user_id, int64_t task_id,
    const char *failure, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(failure),
		db_arg_int(task_id), db_arg_text(user_id) };

	return db_exec_again(db,
	    "UPDATE pull_requests SET failure = ?, state = 'failed'"
	    " WHERE task_id = ? AND user_id = ? AND state = 'pushed'",
	    DB_ARGS(args), NULL, e);
}
