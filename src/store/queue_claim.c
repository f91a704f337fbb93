#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/events.h"
#include "store/queue.h"
#include "store/rows.h"
#include "util/encode.h"

#define TOKEN_BYTES 16

/* Looks that found a row and no task to run, before one call gives up. */
#define LOOKS_MAX 50

enum taken {
	TAKEN_NONE,
	TAKEN_TASK,
	TAKEN_ORPHAN,  /* a deleted user's; it is cleared away */
	TAKEN_BY_LIMIT /* another machine took the user's last place */
};

struct claiming {
	const char *owner;
	const struct claim_limits *limits;
	uint8_t token[TOKEN_BYTES];
	struct claim *claim;
	uint64_t last_seq;
	enum taken taken;
};

void
claim_clear(struct claim *c)
{
	free(c->prompt);
	free(c->repo_url);
	free(c->branch);
	free(c->agent);
	free(c->agent_model);
	free(c->sealed);
	memset(c, 0, sizeof(*c));
}

void *
rows_copy(struct db_rows *rows, unsigned int i, size_t *len)
{
	const char *bytes = db_col_bytes(rows, i, len);
	char *copy = malloc(*len + 1);

	if (copy != NULL) {
		memcpy(copy, bytes, *len);
		copy[*len] = '\0';
	}
	return copy;
}

int
rows_claim(struct claim *c, struct db_rows *rows, struct err *e)
{
	const char *nonce;
	size_t len;

	(void)snprintf(c->user_id, sizeof(c->user_id), "%s",
	    db_col_text(rows, 0));
	c->tries = (unsigned int)db_col_uint(rows, 1);
	c->prompt = rows_copy(rows, 2, &len);
	c->repo_url = rows_copy(rows, 3, &len);
	c->branch = rows_copy(rows, 4, &len);
	c->agent = rows_copy(rows, 5, &len);
	c->has_secret = !db_col_null(rows, 6);
	(void)snprintf(c->key_id, sizeof(c->key_id), "%s",
	    db_col_text(rows, 6));
	nonce = db_col_bytes(rows, 7, &len);
	if (len == sizeof(c->nonce))
		memcpy(c->nonce, nonce, len);
	c->sealed = rows_copy(rows, 8, &c->sealed_len);
	if (c->prompt == NULL || c->repo_url == NULL || c->branch == NULL ||
	    c->agent == NULL || c->sealed == NULL)
		return err_set(e, ERR_BROKEN, "claim: out of memory");
	return 0;
}

/* The column behind those of every claim. */
static int
take_model(struct claim *c, struct db_rows *rows, struct err *e)
{
	size_t len;

	c->agent_model = rows_copy(rows, 9, &len);
	return c->agent_model == NULL
	    ? err_set(e, ERR_BROKEN, "claim: out of memory")
	    : 0;
}

int
queue_load(struct db *db, const struct hold *h, struct claim *c, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	memset(c, 0, sizeof(*c));
	c->hold = *h;
	if (db_query(db,
		"SELECT q.user_id, q.tries, t.prompt, t.repo_url,"
		" t.target_branch, t.agent, s.key_id, s.nonce, s.sealed,"
		" t.agent_model"
		" FROM task_queue q JOIN tasks t ON t.id = q.task_id"
		" LEFT JOIN task_secrets s ON s.task_id = q.task_id"
		" WHERE q.task_id = ? AND q.attempt = ?"
		" AND q.state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 0)
		(void)err_set(e, ERR_ABSENT,
		    "attempt %u of task %lld is not held", h->attempt,
		    (long long)h->task_id);
	if (got == 1 &&
	    (rows_claim(c, rows, e) == -1 || take_model(c, rows, e) == -1))
		got = -1;
	db_rows_end(rows);
	if (got != 1)
		claim_clear(c);
	return got == 1 ? 0 : -1;
}

/*
 * The next in line whose user is below his limit. READ COMMITTED and SKIP
 * LOCKED: claimers take different rows and do not wait (M1, M2).
 */
static int
find_next(struct db *db, struct claiming *g, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(g->limits->per_user) };
	struct claim *c = g->claim;
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT q.task_id, q.attempt, q.user_id, q.last_seq"
		" FROM task_queue q WHERE q.state = 'pending'"
		" AND q.run_at <= UTC_TIMESTAMP(6)"
		" AND (SELECT COUNT(*) FROM task_queue r"
		"  WHERE r.user_id = q.user_id AND r.state = 'running') < ?"
		" ORDER BY q.turn, q.task_id LIMIT 1 FOR UPDATE SKIP LOCKED",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		c->hold.task_id = db_col_int(rows, 0);
		c->hold.attempt = (unsigned int)db_col_uint(rows, 1);
		(void)snprintf(c->user_id, sizeof(c->user_id), "%s",
		    db_col_text(rows, 2));
		g->last_seq = db_col_uint(rows, 3);
	}
	db_rows_end(rows);
	return got;
}

/* Reads one number of one row; 0 when there is none. */
static int
read_flag(struct db *db, const char *sql, const char *user_id, int64_t *n,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(user_id) };
	struct db_rows *rows;
	int got;

	*n = 0;
	if (db_query(db, sql, DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*n = db_col_int(rows, 0);
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

/*
 * Counts again under the lock of the user's row: another machine may have
 * claimed for the same user since. Sets *there to whether the user exists, and
 * *full to whether he has no place left; the next look then passes him over.
 */
static int
recheck_limit(struct db *db, const struct claiming *g, bool *there, bool *full,
    struct err *e)
{
	const char *user = g->claim->user_id;
	int64_t found, running;

	if (read_flag(db, "SELECT 1 FROM users WHERE id = ? FOR UPDATE", user,
		&found, e) == -1 ||
	    read_flag(db,
		"SELECT COUNT(*) FROM task_queue"
		" WHERE user_id = ? AND state = 'running'",
		user, &running, e) == -1)
		return -1;
	*there = found == 1;
	*full = running >= (int64_t)g->limits->per_user;
	return 0;
}

static int
mark_running(struct db *db, const struct claiming *g, struct err *e)
{
	const struct hold *h = &g->claim->hold;
	const struct db_arg args[] = { db_arg_text(g->owner),
		db_arg_uint(g->limits->lease_s), db_arg_uint(g->last_seq + 1),
		db_arg_int(h->task_id), db_arg_uint(h->attempt) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE task_queue SET attempt = attempt + 1, owner = ?,"
		" lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND,"
		" last_seq = ?, waiting_reason = NULL, state = 'running'"
		" WHERE task_id = ? AND attempt = ? AND state = 'pending'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched != 1)
		return err_set(e, ERR_BROKEN, "a locked row was changed");
	return 0;
}

/* The task as its user sees it. Returns 1, or 0 when it is gone. */
static int
mark_task(struct db *db, int64_t id, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(id) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE tasks SET started_at ="
		" COALESCE(started_at, UTC_TIMESTAMP(6)), status = 'running'"
		" WHERE id = ? AND status = 'pending'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	return done.matched == 1;
}

static int
note_attempt(struct db *db, const struct claiming *g, struct err *e)
{
	const struct hold *h = &g->claim->hold;
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt), db_arg_text(g->owner),
		db_arg_bytes(g->token, sizeof(g->token)) };
	char data[80];

	if (db_exec(db,
		"INSERT INTO task_attempts"
		" (task_id, attempt, owner, claim_token, claimed_at)"
		" VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6))",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	(void)snprintf(data, sizeof(data),
	    "{\"status\":\"running\",\"attempt\":%u}", h->attempt);
	return event_add(db, h, g->last_seq + 1, "claimed", data, e);
}

/* The user was deleted, and his tasks with him: nothing here to run. */
static int
remove_orphan(struct db *db, struct claiming *g, unsigned int attempt,
    struct err *e)
{
	const struct db_arg task[] = { db_arg_int(g->claim->hold.task_id) };
	const struct db_arg args[] = { task[0], db_arg_uint(attempt) };

	if (db_exec(db, "DELETE FROM task_secrets WHERE task_id = ?",
		DB_ARGS(task), NULL, e) == -1 ||
	    db_exec(db,
		"DELETE FROM task_queue WHERE task_id = ? AND attempt = ?",
		DB_ARGS(args), NULL, e) == -1)
		return -1;
	g->taken = TAKEN_ORPHAN;
	return 0;
}

static int
claim_body(struct db *db, void *ctx, struct err *e)
{
	struct claiming *g = ctx;
	struct hold next;
	bool there, full;
	int got;

	claim_clear(g->claim);
	g->taken = TAKEN_NONE;
	got = find_next(db, g, e);
	if (got != 1)
		return got;
	if (recheck_limit(db, g, &there, &full, e) == -1)
		return -1;
	if (!there)
		return remove_orphan(db, g, g->claim->hold.attempt, e);
	if (full) {
		g->taken = TAKEN_BY_LIMIT;
		return 0;
	}
	if (mark_running(db, g, e) == -1)
		return -1;
	g->claim->hold.attempt++;
	next = g->claim->hold;
	got = mark_task(db, next.task_id, e);
	if (got != 1)
		return got == 0 ? remove_orphan(db, g, next.attempt, e) : -1;
	if (note_attempt(db, g, e) == -1)
		return -1;
	g->taken = TAKEN_TASK;
	return queue_load(db, &next, g->claim, e);
}

/*
 * Ours if the attempt's row has our token. Where nothing was claimed nothing
 * can be lost: an empty queue must not look like a database that is away.
 */
static int
claim_committed(struct db *db, void *ctx, struct err *e)
{
	struct claiming *g = ctx;
	const struct hold *h = &g->claim->hold;
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt),
		db_arg_bytes(g->token, sizeof(g->token)) };
	struct db_rows *rows;
	int got;

	if (g->taken != TAKEN_TASK)
		return 1;
	if (db_query(db,
		"SELECT 1 FROM task_attempts WHERE task_id = ?"
		" AND attempt = ? AND claim_token = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

int
queue_claim(struct db *db, const char *owner, const struct claim_limits *limits,
    struct claim *c, struct err *e)
{
	struct claiming g = { .owner = owner, .limits = limits, .claim = c };
	const struct db_tx tx = { claim_body, claim_committed, &g,
		"claim.before_commit", "claim.after_commit" };

	memset(c, 0, sizeof(*c));
	for (int i = 0; i < LOOKS_MAX; i++) {
		random_fill(g.token, sizeof(g.token));
		if (db_run(db, &tx, e) == -1) {
			claim_clear(c);
			return err_wrap(e, "claim");
		}
		if (g.taken == TAKEN_TASK)
			return 1;
		claim_clear(c);
		if (g.taken == TAKEN_NONE)
			return 0;
	}
	return 0;
}
