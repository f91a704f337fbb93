#include <stdlib.h>
#include <string.h>

#include "store/events.h"
#include "store/task.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/fault.h"
#include "util/json.h"

#define TOKEN_BYTES 16

/* A prompt in JSON, each of its characters escaped if need be. */
#define MESSAGE_MAX (1024 * 1024)

struct starting {
	const struct task_new *task;
	uint8_t token[TOKEN_BYTES];
	struct buf messages;
	int64_t id;
	enum task_start_end end;
};

/* What is known before anything is written. */
struct before {
	bool project_ok;
	uint64_t live;
	uint64_t turn;
	bool key_used;
	bool same_request;
	int64_t first_id;
};

static int
write_message(struct starting *s, struct err *e)
{
	char now[CLOCK_TEXT];
	struct json_out j;

	clock_text(now, clock_wall_us());
	json_start(&j, &s->messages);
	json_open_array(&j);
	json_open(&j);
	json_name_text(&j, "role", "user");
	json_name_text(&j, "content", s->task->prompt);
	json_name_text(&j, "timestamp", now);
	json_close(&j);
	json_close_array(&j);
	if (!buf_ok(&s->messages))
		return err_set(e, ERR_INVALID, "prompt is too long");
	return 0;
}

/*
 * One user's starts go one after the other: his turn, his limit and his key
 * are then read and written by nobody else.
 */
static int
lock_user(struct db *db, const char *user_id, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };
	struct db_rows *rows;
	bool enabled = false;
	int got;

	if (db_query(db,
		"SELECT disabled_at IS NULL FROM users WHERE id = ?"
		" FOR UPDATE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		enabled = db_col_int(rows, 0) != 0;
	db_rows_end(rows);
	if (got == -1)
		return -1;
	return enabled ? 0 : err_set(e, ERR_UNKNOWN, "User not found");
}

static void
take_before(struct before *b, struct db_rows *rows, const struct task_new *t)
{
	const char *hash;
	size_t len;

	b->project_ok = t->project_id == 0 || db_col_int(rows, 0) == 1;
	b->live = db_col_uint(rows, 1);
	b->turn = db_col_uint(rows, 2);
	hash = db_col_bytes(rows, 3, &len);
	b->key_used = !db_col_null(rows, 3);
	b->same_request = b->key_used && t->req_hash != NULL &&
	    len == SHA256_BYTES && memcmp(hash, t->req_hash, len) == 0;
	b->first_id = db_col_int(rows, 4);
}

/*
 * Fair turns: virtual time is the turn that is up next, or was last; a user's
 * next task stands one behind his own last one, and never before that.
 */
static int
read_before(struct db *db, const struct task_new *t, struct before *b,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(t->project_id),
		db_arg_text(t->user_id), db_arg_text(t->user_id),
		db_arg_text(t->user_id), db_arg_text(t->user_id),
		db_arg_bytes(t->idem_key,
		    t->idem_key == NULL ? 0 : strlen(t->idem_key)) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT"
		" (SELECT 1 FROM projects WHERE id = ? AND user_id = ?),"
		" (SELECT COUNT(*) FROM task_queue WHERE user_id = ?),"
		" GREATEST(COALESCE("
		"   (SELECT MIN(turn) FROM task_queue WHERE state = 'pending'),"
		"   (SELECT MAX(turn) FROM task_queue WHERE state = 'running'),"
		"   0),"
		"  COALESCE("
		"   (SELECT MAX(turn) FROM task_queue WHERE user_id = ?) + 1,"
		"   0)),"
		" k.req_hash, k.task_id"
		" FROM (SELECT 1) AS one LEFT JOIN idempotency_keys k"
		" ON k.user_id = ? AND k.idem_key = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		take_before(b, rows, t);
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

static int
insert_task(struct db *db, struct starting *s, struct err *e)
{
	const struct task_new *t = s->task;
	const struct db_arg args[] = { db_arg_text(t->user_id),
		t->project_id == 0 ? db_arg_null() : db_arg_int(t->project_id),
		db_arg_text(t->agent), db_arg_text(t->repo_url),
		db_arg_text(t->branch), db_arg_text(t->prompt),
		db_arg_string(s->messages.data, s->messages.len),
		db_arg_bytes(s->token, sizeof(s->token)),
		t->agent_model == NULL ? db_arg_null()
				       : db_arg_text(t->agent_model) };
	struct db_done done;

	if (db_exec(db,
		"INSERT INTO tasks (user_id, project_id, status, agent,"
		" repo_url, target_branch, prompt, chat_messages, start_token,"
		" agent_model)"
		" VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	s->id = (int64_t)done.insert_id;
	return 0;
}

static int
insert_queue_row(struct db *db, const struct starting *s, uint64_t turn,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(s->id),
		db_arg_text(s->task->user_id), db_arg_uint(turn) };

	return db_exec(db,
	    "INSERT INTO task_queue"
	    " (task_id, user_id, state, turn, run_at, last_seq)"
	    " VALUES (?, ?, 'pending', ?, UTC_TIMESTAMP(6), 1)",
	    DB_ARGS(args), NULL, e);
}

static int
insert_secret(struct db *db, const struct starting *s, struct err *e)
{
	const struct task_new *t = s->task;
	const struct db_arg args[] = { db_arg_int(s->id),
		db_arg_text(t->key_id), db_arg_bytes(t->nonce, 16),
		db_arg_bytes(t->sealed, t->sealed_len) };

	if (t->sealed == NULL)
		return 0;
	return db_exec(db,
	    "INSERT INTO task_secrets (task_id, key_id, nonce, sealed)"
	    " VALUES (?, ?, ?, ?)",
	    DB_ARGS(args), NULL, e);
}

static int
insert_key(struct db *db, const struct starting *s, struct err *e)
{
	const struct task_new *t = s->task;

	if (t->idem_key == NULL)
		return 0;

	const struct db_arg args[] = { db_arg_text(t->user_id),
		db_arg_bytes(t->idem_key, strlen(t->idem_key)),
		db_arg_bytes(t->req_hash, SHA256_BYTES), db_arg_int(s->id) };

	return db_exec(db,
	    "INSERT INTO idempotency_keys"
	    " (user_id, idem_key, req_hash, task_id, created_at)"
	    " VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6))",
	    DB_ARGS(args), NULL, e);
}

static int
insert_all(struct db *db, struct starting *s, uint64_t turn, struct err *e)
{
	struct hold h = { 0, 0 };

	if (insert_task(db, s, e) == -1)
		return -1;
	h.task_id = s->id;
	FAULT_POINT("start.mid_tx");
	if (insert_queue_row(db, s, turn, e) == -1 ||
	    insert_secret(db, s, e) == -1 ||
	    event_add(db, &h, 1, "queued", "{\"status\":\"pending\"}", e) ==
		-1 ||
	    insert_key(db, s, e) == -1)
		return -1;
	s->end = TASK_STARTED;
	return 0;
}

static void
settle_by_key(struct starting *s, const struct before *b)
{
	s->end = b->same_request ? TASK_REPLAYED : TASK_KEY_REUSED;
	s->id = b->first_id;
}

static int
start_body(struct db *db, void *ctx, struct err *e)
{
	struct starting *s = ctx;
	struct before b = { 0 };

	if (lock_user(db, s->task->user_id, e) == -1 ||
	    read_before(db, s->task, &b, e) == -1)
		return -1;
	if (b.key_used && s->task->idem_key != NULL) {
		settle_by_key(s, &b);
		return 0;
	}
	if (!b.project_ok || b.live >= s->task->most_live) {
		s->end = b.project_ok ? TASK_LIVE_FULL : TASK_NO_PROJECT;
		return 0;
	}
	return insert_all(db, s, b.turn, e);
}

/* Whether our own row is there; waits for a COMMIT that is under way. */
static int
start_committed(struct db *db, void *ctx, struct err *e)
{
	struct starting *s = ctx;
	const struct db_arg args[] = { db_arg_bytes(s->token,
	    sizeof(s->token)) };
	struct db_rows *rows;
	int got;

	/* What wrote nothing can be done again. */
	if (s->end != TASK_STARTED)
		return 0;
	if (db_query(db,
		"SELECT id FROM tasks WHERE start_token = ?"
		" LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		s->id = db_col_int(rows, 0);
	db_rows_end(rows);
	return got;
}

/*
 * A unique key was there: our own token, when a COMMIT that had seemed lost
 * came through after all; or the user's, by a twin of this request (on another
 * node, G4: on one the user's row keeps twins apart).
 */
static int
settle_conflict(struct db *db, struct starting *s, struct err *e)
{
	struct before b = { 0 };
	int got;

	s->end = TASK_STARTED;
	got = start_committed(db, s, e);
	if (got != 0)
		return got == 1 ? 0 : -1;
	if (s->task->idem_key == NULL)
		return err_set(e, ERR_BROKEN, "start: duplicate of nothing");
	if (read_before(db, s->task, &b, e) == -1)
		return -1;
	if (!b.key_used)
		return err_set(e, ERR_RETRY, "start: the key's twin is gone");
	settle_by_key(s, &b);
	return 0;
}

int
task_start(struct db *db, const struct task_new *t, enum task_start_end *end,
    int64_t *id, struct err *e)
{
	struct starting s = { .task = t, .messages = BUF(MESSAGE_MAX) };
	const struct db_tx tx = { start_body, start_committed, &s,
		"start.before_commit", "start.after_commit" };
	int rc = -1;

	random_fill(s.token, sizeof(s.token));
	if (write_message(&s, e) == -1)
		goto out;
	FAULT_POINT("start.before_tx");
	rc = db_run(db, &tx, e);
	if (rc == -1 && e->kind == ERR_CONFLICT)
		rc = settle_conflict(db, &s, e);
	*end = s.end;
	*id = s.id;
out:
	buf_clear(&s.messages);
	return rc;
}
