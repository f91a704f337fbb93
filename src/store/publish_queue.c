/* Pull requests on their way: the reaper's side of store/publish.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/publish.h"
#include "store/rows.h"
#include "util/encode.h"

#define TOKEN_BYTES 16

#define SWEPT_TEXT                                                     \
	"The push was lost again and again with the machine that did " \
	"it. Please try again."

/* Nobody waits for it any more, and a branch would be a surprise. */
#define FORGOTTEN "UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
#define FORGOTTEN_TEXT "The push could not be begun in time. Please try again."

/* What every end has in common: no credential, and no owner. */
#define ENDED                                                        \
	" key_id = NULL, nonce = NULL, sealed = NULL, owner = NULL," \
	" lease_until = NULL, ended_at = UTC_TIMESTAMP(6),"

bool
hold_publishes(const struct hold *h)
{
	return h->attempt > HOLD_PUBLISH;
}

void
publish_claim_clear(struct publish_claim *c)
{
	claim_clear(&c->task);
	free(c->patch);
	memset(c, 0, sizeof(*c));
}

struct claiming {
	const char *owner;
	unsigned int lease_s;
	uint8_t token[TOKEN_BYTES];
	struct publish_claim *claim;
	bool taken;
};

static int
find_next(struct db *db, struct hold *h, struct err *e)
{
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT task_id, attempt FROM pull_requests"
		" WHERE state = 'requested' AND run_at <= UTC_TIMESTAMP(6)"
		" AND requested_at > " FORGOTTEN
		" ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED",
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1) {
		h->task_id = db_col_int(rows, 0);
		h->attempt = (unsigned int)db_col_uint(rows, 1);
	}
	db_rows_end(rows);
	return got;
}

static int
mark_running(struct db *db, const struct claiming *g, const struct hold *h,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(g->owner),
		db_arg_bytes(g->token, sizeof(g->token)),
		db_arg_uint(g->lease_s), db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };

	return db_exec(db,
	    "UPDATE pull_requests SET attempt = attempt + 1, owner = ?,"
	    " claim_token = ?,"
	    " lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND,"
	    " state = 'running' WHERE task_id = ? AND attempt = ?",
	    DB_ARGS(args), NULL, e);
}

/* The columns behind those of a claim. */
static int
take_rest(struct publish_claim *c, struct db_rows *rows, struct err *e)
{
	c->patch = rows_copy(rows, 9, &c->patch_len);
	(void)snprintf(c->base_commit, sizeof(c->base_commit), "%s",
	    db_col_text(rows, 10));
	c->completed_s = db_col_int(rows, 11);
	return c->patch == NULL ? err_set(e, ERR_RETRY, "out of memory") : 0;
}

static int
load(struct db *db, struct publish_claim *c, struct err *e)
{
	const struct db_arg args[] = { db_arg_int(c->task.hold.task_id) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT p.user_id, p.tries, t.prompt, p.repo_url,"
		" p.base_branch, t.agent, p.key_id, p.nonce, p.sealed,"
		" t.git_patch,"
		" JSON_VALUE(t.execution_metadata, '$.base_commit'),"
		" TIMESTAMPDIFF(SECOND, '1970-01-01', t.completed_at)"
		" FROM pull_requests p JOIN tasks t ON t.id = p.task_id"
		" WHERE p.task_id = ?",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 0)
		(void)err_set(e, ERR_RETRY, "the task went meanwhile");
	if (got == 1 &&
	    (rows_claim(&c->task, rows, e) == -1 ||
		take_rest(c, rows, e) == -1))
		got = -1;
	db_rows_end(rows);
	return got == 1 ? 0 : -1;
}

static int
claim_body(struct db *db, void *ctx, struct err *e)
{
	struct claiming *g = ctx;
	struct hold h = { 0, 0 };
	int got;

	publish_claim_clear(g->claim);
	g->taken = false;
	got = find_next(db, &h, e);
	if (got != 1)
		return got;
	if (mark_running(db, g, &h, e) == -1)
		return -1;
	h.attempt++;
	g->claim->task.hold = h;
	g->taken = true;
	return load(db, g->claim, e);
}

/* Where nothing was claimed nothing can be lost. */
static int
claim_committed(struct db *db, void *ctx, struct err *e)
{
	struct claiming *g = ctx;
	const struct hold *h = &g->claim->task.hold;
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_bytes(g->token, sizeof(g->token)) };
	struct db_rows *rows;
	int got;

	if (!g->taken)
		return 1;
	if (db_query(db,
		"SELECT 1 FROM pull_requests WHERE task_id = ?"
		" AND claim_token = ? LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

int
publish_claim(struct db *db, const char *owner, unsigned int lease_s,
    struct publish_claim *c, struct err *e)
{
	struct claiming g = { .owner = owner, .lease_s = lease_s, .claim = c };
	const struct db_tx tx = { claim_body, claim_committed, &g,
		"publish.before_claim", "publish.after_claim" };

	memset(c, 0, sizeof(*c));
	random_fill(g.token, sizeof(g.token));
	if (db_run(db, &tx, e) == -1) {
		publish_claim_clear(c);
		return err_wrap(e, "claim a pull request");
	}
	if (!g.taken)
		publish_claim_clear(c);
	return g.taken ? 1 : 0;
}

/* One number of the row that this attempt holds: 1, or 0 if there is none. */
static int
read_held(struct db *db, const struct hold *h, unsigned int *tries,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(h->task_id),
		db_arg_uint(h->attempt) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT tries FROM pull_requests WHERE task_id = ?"
		" AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*tries = (unsigned int)db_col_uint(rows, 0);
	db_rows_end(rows);
	return got;
}

int
publish_hold_state(struct db *db, const struct hold *h, enum hold_state *state,
    struct err *e)
{
	unsigned int tries;
	int got = read_held(db, h, &tries, e);

	*state = got == 1 ? HOLD_OURS : HOLD_SUPERSEDED;
	return got == -1 ? -1 : 0;
}

int
publish_tries(struct db *db, const struct hold *h, unsigned int *tries,
    struct err *e)
{
	int got = read_held(db, h, tries, e);

	if (got == 0)
		return err_set(e, ERR_ABSENT,
		    "attempt %u to publish task %lld is not held", h->attempt,
		    (long long)h->task_id);
	return got == -1 ? -1 : 0;
}

int
publish_renew(struct db *db, const char *owner, const struct hold *h,
    unsigned int lease_s, enum hold_state *state, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(owner), db_arg_uint(lease_s),
		db_arg_int(h->task_id), db_arg_uint(h->attempt) };
	struct db_done done;

	*state = HOLD_SUPERSEDED;
	if (db_exec_again(db,
		"UPDATE pull_requests SET owner = ?,"
		" lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND"
		" WHERE task_id = ? AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 1)
		*state = HOLD_OURS;
	return 0;
}

/* A second time finds nothing to change, which is no harm either. */
int
publish_give_back(struct db *db, const struct hold *h, unsigned int delay_ms,
    bool counts, const char *why, struct err *e)
{
	const struct db_arg args[] = { db_arg_uint(counts ? 1 : 0),
		db_arg_int((int64_t)delay_ms * 1000), db_arg_text(why),
		db_arg_int(h->task_id), db_arg_uint(h->attempt) };
	struct db_done done;

	if (db_exec_again(db,
		"UPDATE pull_requests SET tries = tries + ?,"
		" run_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND,"
		" owner = NULL, lease_until = NULL, error = ?,"
		" state = 'requested'"
		" WHERE task_id = ? AND attempt = ? AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	if (done.matched == 1)
		return 0;
	return err_set(e, ERR_CONFLICT,
	    "attempt %u to publish task %lld is superseded", h->attempt,
	    (long long)h->task_id);
}

int
publish_owned(struct db *db, const char *owner, hold_fn *fn, void *ctx,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(owner) };
	struct db_rows *rows;

	if (db_query(db,
		"SELECT task_id, attempt, 0 FROM pull_requests"
		" WHERE owner = ? AND state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	return rows_owned(rows, fn, ctx, e);
}

int
publish_owned_by_past_boots(struct db *db, const char *machine_id,
    const char *boot_id, hold_fn *fn, void *ctx, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(machine_id),
		db_arg_text(machine_id), db_arg_text(machine_id),
		db_arg_text(boot_id) };
	struct db_rows *rows;

	/* As queue_owned_by_past_boots(). */
	if (db_query(db,
		"SELECT task_id, attempt, 0 FROM pull_requests"
		" WHERE owner > CONCAT(?, ':') AND owner < CONCAT(?, ';')"
		" AND owner <> CONCAT(?, ':', ?) AND state = 'running'",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	return rows_owned(rows, fn, ctx, e);
}

/* No reaper was there in time: the credential must not stay for ever. */
static int
forget(struct db *db, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(FORGOTTEN_TEXT) };

	return db_exec_again(db,
	    "UPDATE pull_requests SET" ENDED
	    " failure = 'lost', error = ?, state = 'failed'"
	    " WHERE state = 'requested' AND requested_at <= " FORGOTTEN,
	    DB_ARGS(args), NULL, e);
}

/* Statements that may each be repeated: first those that had enough. */
int
publish_sweep(struct db *db, const struct sweep *s, unsigned int *taken,
    struct err *e)
{
	const struct db_arg over[] = { db_arg_text(SWEPT_TEXT),
		db_arg_uint(s->slack_s), db_arg_text(s->owner),
		db_arg_uint(s->max_tries) };
	const struct db_arg back[] = { db_arg_int((int64_t)s->delay_ms * 1000),
		db_arg_uint(s->slack_s), db_arg_text(s->owner) };
	struct db_done failed = { 0 }, freed = { 0 };

	if (db_exec_again(db,
		"UPDATE pull_requests SET" ENDED
		" failure = 'lost', error = ?, state = 'failed'"
		" WHERE state = 'running'"
		" AND lease_until < UTC_TIMESTAMP(6) - INTERVAL ? SECOND"
		" AND owner <> ? AND tries + 1 >= ?",
		DB_ARGS(over), &failed, e) == -1 ||
	    db_exec_again(db,
		"UPDATE pull_requests SET tries = tries + 1, run_at ="
		" UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, owner = NULL,"
		" state = 'requested' WHERE state = 'running'"
		" AND lease_until < UTC_TIMESTAMP(6) - INTERVAL ? SECOND"
		" AND owner <> ?",
		DB_ARGS(back), &freed, e) == -1 ||
	    forget(db, e) == -1)
		return err_wrap(e, "sweep pull requests");
	*taken += (unsigned int)(failed.matched + freed.matched);
	return 0;
}

int
publish_waiting(struct db *db, int64_t *n, struct err *e)
{
	struct db_rows *rows;
	int got;

	*n = 0;
	if (db_query(db,
		"SELECT COUNT(*) FROM pull_requests WHERE state = 'requested'"
		" AND requested_at > " FORGOTTEN,
		DB_NO_ARGS, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		*n = db_col_int(rows, 0);
	db_rows_end(rows);
	return got == -1 ? -1 : 0;
}

struct completing {
	const struct hold *hold;
	const struct publish_result *result;
	bool written;
};

static int
complete_body(struct db *db, void *ctx, struct err *e)
{
	struct completing *c = ctx;
	const struct publish_result *r = c->result;
	const struct db_arg args[] = { db_arg_text(r->head_branch),
		db_arg_text(r->commit_hash), db_arg_text(r->failure),
		db_arg_text(r->error),
		db_arg_text(r->failure == NULL ? "pushed" : "failed"),
		db_arg_int(c->hold->task_id), db_arg_uint(c->hold->attempt) };
	struct db_done done;

	if (db_exec(db,
		"UPDATE pull_requests SET" ENDED
		" head_branch = ?, commit_hash = ?, failure = ?, error = ?,"
		" state = ? WHERE task_id = ? AND attempt = ?"
		" AND state = 'running'",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	c->written = done.matched == 1;
	return 0;
}

/* The same attempt, ended: nobody else ends it. */
static int
complete_committed(struct db *db, void *ctx, struct err *e)
{
	struct completing *c = ctx;
	const struct db_arg args[] = { db_arg_int(c->hold->task_id),
		db_arg_uint(c->hold->attempt) };
	struct db_rows *rows;
	int got;

	if (db_query(db,
		"SELECT 1 FROM pull_requests WHERE task_id = ?"
		" AND attempt = ? AND state <> 'running'"
		" LOCK IN SHARE MODE",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	db_rows_end(rows);
	return got;
}

int
publish_complete(struct db *db, const struct hold *h,
    const struct publish_result *r, struct err *e)
{
	struct completing c = { h, r, false };
	const struct db_tx tx = { complete_body, complete_committed, &c,
		"publish.before_complete", "publish.after_complete" };

	if (db_run(db, &tx, e) == -1)
		return err_wrap(e, "complete a pull request's push");
	if (!c.written)
		return err_set(e, ERR_CONFLICT,
		    "attempt %u to publish task %lld is superseded", h->attempt,
		    (long long)h->task_id);
	return 0;
}
