#include <stdio.h>
#include <string.h>

#include "store/events.h"
#include "store/live.h"
#include "store/queue.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/utf8.h"

/*
 * What a packet holds beside its one long value. The diff, the patch and the
 * message go each in a statement of their own, so that each may have all of
 * max_allowed_packet (C13).
 */
#define PACKET_REST (64 * 1024)

#define ERROR_TEXT 300

struct completing {
	const struct hold *hold;
	const struct event_new *events;
	size_t n;
	uint64_t shipped;
	const struct task_result *result;

	/* Decided under the lock. */
	struct ending end;
	char text[ERROR_TEXT];
};

static size_t
room_in_packet(const struct db *db)
{
	uint64_t packet = db_max_packet(db);

	return packet > 2 * PACKET_REST ? (size_t)packet - PACKET_REST
					: PACKET_REST;
}

/* Too large to be kept: what it would have been, or NULL. */
static const char *
too_large(const struct task_result *r, size_t room)
{
	if (r->git_patch_len > room)
		return "patch";
	return r->changed_files_len + r->metadata_len > room
	    ? "list of changed files"
	    : NULL;
}

/* A wish to cancel wins over any outcome, and size over success. */
static void
decide(struct completing *c, const struct live *l, size_t room)
{
	const struct task_result *r = c->result;
	const char *what = too_large(r, room);

	c->end = (struct ending){ r->outcome, r->failure, r->error };
	if (l->cancel) {
		c->end.state = TASK_CANCELLED;
		if (r->outcome != TASK_CANCELLED)
			c->end.error = NULL;
	}
	if (c->end.state == TASK_COMPLETED && what != NULL) {
		(void)snprintf(c->text, sizeof(c->text),
		    "The %s is larger than the %zu MiB that the database can"
		    " take (max_allowed_packet). Split the task into smaller"
		    " ones, or have the administrator raise the limit.",
		    what, room / (1024 * 1024));
		c->end =
		    (struct ending){ TASK_FAILED, FAILURE_TOO_LARGE, c->text };
	}
	if (c->end.state != TASK_FAILED)
		c->end.failure = FAILURE_NONE;
	if (c->end.state == TASK_COMPLETED)
		c->end.error = NULL;
}

static const char *
bytes_or_empty(const char *bytes)
{
	return bytes == NULL ? "" : bytes;
}

static int
write_narrow(struct db *db, const struct completing *c, struct err *e)
{
	const struct task_result *r = c->result;
	const struct db_arg args[] = { db_arg_text(r->commit_hash),
		db_arg_text(r->container_id),
		r->changed_files == NULL
		    ? db_arg_text("[]")
		    : db_arg_string(r->changed_files, r->changed_files_len),
		r->metadata == NULL
		    ? db_arg_null()
		    : db_arg_string(r->metadata, r->metadata_len),
		db_arg_uint(r->git_patch_len), db_arg_int(c->hold->task_id) };

	return db_exec(db,
	    "UPDATE tasks SET commit_hash = ?,"
	    " container_id = COALESCE(?, container_id), changed_files = ?,"
	    " execution_metadata = COALESCE(?, execution_metadata),"
	    " patch_bytes = ? WHERE id = ?",
	    DB_ARGS(args), NULL, e);
}

static int
write_patch(struct db *db, const struct completing *c, struct err *e)
{
	const struct task_result *r = c->result;
	const struct db_arg args[] = {
		db_arg_bytes(bytes_or_empty(r->git_patch), r->git_patch_len),
		db_arg_int(c->hold->task_id)
	};

	return db_exec(db, "UPDATE tasks SET git_patch = ? WHERE id = ?",
	    DB_ARGS(args), NULL, e);
}

/* The diff is for looking at: cut at a line's end, with a last line about it.
 */
static int
write_diff(struct db *db, const struct completing *c, size_t room,
    struct err *e)
{
	const struct task_result *r = c->result;
	struct buf cut = BUF(room);
	struct db_arg args[2];
	const char *nl;
	size_t keep;
	int rc;

	args[0] = db_arg_string(bytes_or_empty(r->git_diff), r->git_diff_len);
	args[1] = db_arg_int(c->hold->task_id);
	if (r->git_diff_len > room) {
		keep = room - 200;
		nl = memrchr(r->git_diff, '\n', keep);
		keep = nl == NULL ? utf8_whole(r->git_diff, keep)
				  : (size_t)(nl - r->git_diff);
		buf_add(&cut, r->git_diff, keep);
		buf_addf(&cut, "\n[diff cut here: %zu of %zu bytes]\n", keep,
		    r->git_diff_len);
		if (!buf_ok(&cut)) {
			buf_clear(&cut);
			return err_set(e, ERR_RETRY, "out of memory");
		}
		args[0] = db_arg_string(cut.data, cut.len);
	}
	rc = db_exec(db, "UPDATE tasks SET git_diff = ? WHERE id = ?", args, 2,
	    NULL, e);
	buf_clear(&cut);
	return rc;
}

static void
build_message(struct buf *out, const char *text, size_t len, bool cut)
{
	static const char marker[] = "\n[cut here]";
	struct buf content = BUF(len + sizeof(marker));
	char now[CLOCK_TEXT];
	struct json_out j;

	clock_text(now, clock_wall_us());
	buf_reset(out);
	if (cut) {
		buf_add(&content, text, len);
		buf_puts(&content, marker);
		text = content.data;
		len = content.len;
	}
	json_start(&j, out);
	json_open(&j);
	json_name_text(&j, "role", "assistant");
	json_name_string(&j, "content", text, len);
	json_name_text(&j, "timestamp", now);
	json_close(&j);
	buf_clear(&content);
}

/*
 * JSON_ARRAY_APPEND gives NULL for a document that is over the packet's size;
 * then the messages stay as they are, and the task still ends (M15).
 */
static int
write_message(struct db *db, const struct completing *c, size_t room,
    struct err *e)
{
	const struct task_result *r = c->result;
	struct buf json = BUF(room / 2);
	struct db_arg args[2];
	size_t len = r->message_len;
	int rc;

	if (r->message == NULL || len == 0)
		return 0;
	build_message(&json, r->message, len, false);
	while (!buf_ok(&json) && len > PACKET_REST / 8) {
		len = utf8_whole(r->message, len / 2);
		build_message(&json, r->message, len, true);
	}
	args[0] = db_arg_string(json.data, json.len);
	args[1] = db_arg_int(c->hold->task_id);
	if (buf_ok(&json))
		rc = db_exec(db,
		    "UPDATE tasks SET chat_messages = COALESCE("
		    "JSON_ARRAY_APPEND(chat_messages, '$', JSON_COMPACT(?)),"
		    " chat_messages) WHERE id = ?",
		    args, 2, NULL, e);
	else
		rc = err_set(e, ERR_RETRY, "out of memory");
	buf_clear(&json);
	return rc;
}

static int
write_result(struct db *db, const struct completing *c, size_t room,
    struct err *e)
{
	if (c->end.state != TASK_COMPLETED)
		return 0;
	if (write_narrow(db, c, e) == -1 || write_patch(db, c, e) == -1 ||
	    write_diff(db, c, room, e) == -1 ||
	    write_message(db, c, room, e) == -1)
		return -1;
	return 0;
}

static int
end_attempt(struct db *db, const struct completing *c, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(c->shipped + c->n),
		db_arg_text(task_state_name(c->end.state)),
		db_arg_int(c->hold->task_id), db_arg_uint(c->hold->attempt),
		db_arg_uint(c->shipped) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_attempts SET shipped_seq = ?,"
		" ended_at = UTC_TIMESTAMP(6), outcome = ?"
		" WHERE task_id = ? AND attempt = ? AND shipped_seq = ?",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return err_set(e, ERR_INVALID,
		    "task %lld was not shipped up to %llu",
		    (long long)c->hold->task_id,
		    (unsigned long long)c->shipped);
	return 0;
}

static int
complete_body(struct db *db, void *ctx, struct err *e)
{
	struct completing *c = ctx;
	size_t room = room_in_packet(db);
	struct live l;
	int got;

	got = live_lock(db, c->hold, &l, e);
	if (got != 1)
		return got == 0 ? live_superseded(c->hold, e) : -1;
	decide(c, &l, room);
	got = live_write_end(db, &l, &c->end, e);
	if (got == -1)
		return -1;
	if (got == 1 && write_result(db, c, room, e) == -1)
		return -1;
	if (end_attempt(db, c, e) == -1 ||
	    event_add_lines(db, c->hold, l.last_seq + 1, c->events, c->n, e) ==
		-1)
		return -1;
	return live_remove(db, &l, l.last_seq + c->n + 1, &c->end, e);
}

/* Done if the attempt has an outcome other than "lost"; it names the state. */
static int
complete_committed(struct db *db, void *ctx, struct err *e)
{
	struct completing *c = ctx;
	const struct db_arg args[] = { db_arg_int(c->hold->task_id),
		db_arg_uint(c->hold->attempt) };
	enum task_state state = TASK_STATE_N;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT outcome FROM task_attempts"
		" WHERE task_id = ? AND attempt = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		state = task_state_of(db_col_text(rows, 0));
	db_rows_end(rows);
	if (got == -1)
		return -1;
	if (!task_state_final(state))
		return 0;
	c->end.state = state;
	return 1;
}

/* What the tables would refuse must not stop the task from ending. */
static int
check_result(const struct task_result *r, struct err *e)
{
	if (!task_state_final(r->outcome))
		return err_set(e, ERR_INVALID, "a result cannot be %s",
		    task_state_name(r->outcome));
	if (r->git_diff_len > 0 && !utf8_valid(r->git_diff, r->git_diff_len))
		return err_set(e, ERR_INVALID, "the diff is not UTF-8");
	if (r->message_len > 0 && !utf8_valid(r->message, r->message_len))
		return err_set(e, ERR_INVALID, "the message is not UTF-8");
	if (r->changed_files != NULL &&
	    json_scan(r->changed_files, r->changed_files_len, e) == -1)
		return err_wrap(e, "changed files");
	if (r->metadata != NULL &&
	    json_scan(r->metadata, r->metadata_len, e) == -1)
		return err_wrap(e, "metadata");
	return 0;
}

int
queue_complete(struct db *db, const struct hold *h,
    const struct event_new *events, size_t n, uint64_t shipped,
    const struct task_result *result, enum task_state *final, struct err *e)
{
	struct completing c = { .hold = h,
		.events = events,
		.n = n,
		.shipped = shipped,
		.result = result };
	const struct db_tx tx = { complete_body, complete_committed, &c,
		"complete.before_commit", "complete.after_commit" };

	if (check_result(result, e) == -1 ||
	    event_check_lines(events, n, shipped, e) == -1 ||
	    db_run(db, &tx, e) == -1)
		return err_wrap(e, "complete");
	*final = c.end.state;
	return 0;
}
