#include "store/remove.h"

/*
 * Two sets of the same statements: each finds its tasks by an index of its
 * own. Order of locks: task_queue, then tasks, then the rest (M10).
 */
#define OF_PROJECT " t.project_id = ? AND t.id <= ?"
#define OF_USER " t.user_id = ? AND t.id <= ?"

#define REST_OF(table, key) \
	"DELETE r FROM tasks t JOIN " table " r ON r.task_id = t.id WHERE" key

/*
 * The queue is short and comes first: a user has few live tasks. Its rows go
 * whatever attempt they are at, for the task goes with them.
 */
#define QUEUE_OF(key)                                      \
	"DELETE q FROM task_queue q STRAIGHT_JOIN tasks t" \
	" ON t.id = q.task_id WHERE q.user_id = ? AND" key

/* The last of the oldest ones, and how many they are. */
#define OLDEST_OF(key)                                          \
	"SELECT MAX(o.id), COUNT(*) FROM (SELECT id FROM tasks" \
	" WHERE " key " = ? ORDER BY id LIMIT ?) o"

enum {
	SECRETS,
	ATTEMPTS,
	EVENTS,
	KEYS,
	REST_N
};

static const struct {
	const char *oldest;
	const char *queue;
	const char *rest[REST_N];
	const char *tasks;
} statements[2] = {
	{ OLDEST_OF("user_id"), QUEUE_OF(OF_USER),
	    { REST_OF("task_secrets", OF_USER),
		REST_OF("task_attempts", OF_USER),
		REST_OF("task_events", OF_USER),
		REST_OF("idempotency_keys", OF_USER) },
	    "DELETE FROM tasks WHERE user_id = ? AND id <= ?" },
	{ OLDEST_OF("project_id"), QUEUE_OF(OF_PROJECT),
	    { REST_OF("task_secrets", OF_PROJECT),
		REST_OF("task_attempts", OF_PROJECT),
		REST_OF("task_events", OF_PROJECT),
		REST_OF("idempotency_keys", OF_PROJECT) },
	    "DELETE FROM tasks WHERE project_id = ? AND id <= ?" },
};

int
remove_lock_user(struct db *db, const char *user_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db, "SELECT 1 FROM users WHERE id = ? FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

static struct db_arg
key_of(const struct remove_scope *s)
{
	return s->project_id != 0 ? db_arg_int(s->project_id)
				  : db_arg_text(s->user_id);
}

/* *upto: the id that the oldest tasks end with. */
static int
find_oldest(struct db *db, const struct remove_scope *s, int64_t *upto,
    bool *rest, struct err *e)
{
	const struct db_arg args[] = { key_of(s), db_arg_int(REMOVE_AT_ONCE) };
	struct db_rows *rows;
	int got;

	if (db_query(db, statements[s->project_id != 0].oldest, DB_ARGS(args),
		&rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		*upto = db_col_int(rows, 0);
		*rest = db_col_int(rows, 1) == REMOVE_AT_ONCE;
	}
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

int
remove_tasks(struct db *db, const struct remove_scope *s, bool *rest,
    struct err *e)
{
	const size_t kind = s->project_id != 0;
	struct db_arg args[3] = { db_arg_text(s->user_id), key_of(s) };
	int64_t upto = 0;

	if (find_oldest(db, s, &upto, rest, e) == -1)
		return -1;
	args[2] = db_arg_int(upto);
	if (db_exec(db, statements[kind].queue, args, 3, NULL, e) == -1)
		return -1;
	for (size_t i = 0; i < REST_N; i++)
		if (db_exec(db, statements[kind].rest[i], args + 1, 2, NULL,
			e) == -1)
			return -1;
	return db_exec(db, statements[kind].tasks, args + 1, 2, NULL, e);
}
