#include "store/task.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/json.h"

struct adding {
	const char *user_id;
	int64_t id;
	struct buf message; /* as JSON */
};

static int
absent(struct err *e)
{
	return err_set(e, ERR_ABSENT, "Task not found");
}

static int
write_message(struct adding *a, const struct chat_new *m, struct err *e)
{
	char now[CLOCK_TEXT];
	struct json_out j;

	clock_text(now, clock_wall_us());
	json_start(&j, &a->message);
	json_open(&j);
	json_name_text(&j, "role", m->role);
	json_name_string(&j, "content", m->content, m->content_len);
	json_name_text(&j, "timestamp", now);
	json_close(&j);
	return buf_ok(&a->message)
	    ? 0
	    : err_set(e, ERR_INVALID, "content is too long");
}

/* Why nothing matched: 1 the conversation is full, 0 there is no such task. */
static int
is_there(struct db *db, const struct adding *a, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(a->id),
		db_arg_text(a->user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db, "SELECT 1 FROM tasks WHERE id = ? AND user_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

/*
 * How large the messages may be before this one. A document that is over the
 * packet's size would become NULL (M15).
 */
static uint64_t
room_before(const struct db *db, const struct adding *a)
{
	const uint64_t packet = db_max_packet(db), all = CHAT_BYTES_MAX;
	const uint64_t most = packet / 2 < all ? packet / 2 : all;

	return most > a->message.len ? most - a->message.len : 0;
}

static int
add_body(struct db *db, void *ctx, struct err *e)
{
	const struct adding *a = ctx;
	const struct db_arg args[] = { db_arg_string(a->message.data,
					   a->message.len),
		db_arg_int(a->id), db_arg_text(a->user_id),
		db_arg_uint(room_before(db, a)) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE tasks SET chat_messages ="
		" JSON_ARRAY_APPEND(chat_messages, '$', JSON_COMPACT(?))"
		" WHERE id = ? AND user_id = ?"
		" AND LENGTH(chat_messages) < ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 1)
		return 0;
	switch (is_there(db, a, e)) {
	case 1:
		return err_set(e, ERR_DENIED,
		    "The conversation is full: start another task");
	case 0:
		return absent(e);
	default:
		return -1;
	}
}

/*
 * A message carries its microsecond, so that its text is its own. The column is
 * laid out anew by each JSON_ARRAY_APPEND.
 */
static int
add_committed(struct db *db, void *ctx, struct err *e)
{
	const struct adding *a = ctx;
	const struct db_arg args[] = { db_arg_string(a->message.data,
					   a->message.len),
		db_arg_int(a->id), db_arg_text(a->user_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT INSTR(JSON_COMPACT(chat_messages),"
		" JSON_COMPACT(?)) > 0 FROM tasks"
		" WHERE id = ? AND user_id = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		got = db_col_int(rows, 0) != 0;
	db_rows_end(rows);
	return got;
}

int
task_chat_add(struct db *db, const char *user_id, int64_t id,
    const struct chat_new *message, struct err *e)
{
	struct adding a = { user_id, id, BUF(CHAT_BYTES_MAX / 2) };
	const struct db_tx tx = { .body = add_body,
		.committed = add_committed,
		.ctx = &a };
	int rc = -1;

	if (write_message(&a, message, e) == -1)
		goto out;
	rc = db_run(db, &tx, e);
out:
	buf_clear(&a.message);
	return rc;
}
