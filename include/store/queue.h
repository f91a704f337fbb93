#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "store/state.h"

/*
 * queue: live tasks, for the reaper. Each change is one guarded statement with
 * a row count, fenced by the attempt number (reliability 4): the attempt
 * decides who may write, the lease only when somebody else may take over. All
 * times are the database's.
 */

/* Which attempt speaks. */
struct hold {
	int64_t task_id;
	unsigned int attempt;
};

/* What a claim hands to the one who runs it. Free with claim_clear(). */
struct claim {
	struct hold hold;
	char user_id[37];
	char *prompt;
	char *repo_url;
	char *branch;
	char *agent;
	char *agent_model;  /* ""; NULL in a push: nobody asked for one */
	unsigned int tries; /* attempts lost so far */

	bool has_secret;
	char key_id[17];
	uint8_t nonce[16];
	uint8_t *sealed;
	size_t sealed_len;
};

void claim_clear(struct claim *c); /* takes a zeroed struct */

struct claim_limits {
	unsigned int per_user; /* most running tasks of one user */
	unsigned int lease_s;
};

/*
 * Takes the next pending task that is due: the smallest turn (fair queueing
 * between users) among users below their limit. Returns 1 with *c (the caller
 * clears it), 0 when there is none. A lost COMMIT is resolved by the claim
 * token. Inserts an event "claimed".
 */
int queue_claim(struct db *db, const char *owner,
    const struct claim_limits *limits, struct claim *c,
    struct err *e) MUST_CHECK;

/*
 * Loads a claim's contents again for an attempt that owner holds already.
 * ERR_ABSENT: it does not hold it any more.
 */
int queue_load(struct db *db, const struct hold *h, struct claim *c,
    struct err *e) MUST_CHECK;

enum hold_state {
	HOLD_OURS,      /* running, this attempt */
	HOLD_CANCEL,    /* the same, and its user wants it stopped */
	HOLD_SUPERSEDED /* ended, or a newer attempt: drop everything */
};

/*
 * Renews the lease, as owner's from now on; a task that a sweeper has put back
 * to pending is revived if nobody has claimed it since (unless its cancellation
 * was asked for).
 */
int queue_renew(struct db *db, const char *owner, const struct hold *h,
    unsigned int lease_s, enum hold_state *state, struct err *e) MUST_CHECK;

/* A spool line on its way into the database. Borrowed. */
struct event_new {
	uint64_t spool_seq;
	const char *kind; /* at most 16 of [a-z_] */
	const char *at;   /* "YYYY-MM-DD hh:mm:ss.uuuuuu" UTC */
	const char *data; /* JSON */
	size_t data_len;
};

/* How far this attempt's spool has been shipped. */
int queue_shipped(struct db *db, const struct hold *h, uint64_t *seq,
    struct err *e) MUST_CHECK;

/*
 * Appends events whose spool numbers follow *shipped without a gap, and renews
 * the lease; *shipped is then the last of them. Unknown commits are resolved by
 * shipped_seq. Revives like queue_renew(). ERR_CONFLICT: superseded, nothing
 * was written. ERR_INVALID: the database is not at *shipped; ask
 * queue_shipped().
 */
int queue_ship(struct db *db, const struct hold *h, unsigned int lease_s,
    const struct event_new *events, size_t n, uint64_t *shipped,
    struct err *e) MUST_CHECK;

/* How an attempt ended, as its result says. Borrowed. */
struct task_result {
	enum task_state outcome; /* COMPLETED, FAILED or CANCELLED */
	enum failure failure;
	const char *error;        /* NULL unless FAILED or CANCELLED */
	const char *commit_hash;  /* NULL: nothing changed */
	const char *container_id; /* sandbox id, or NULL */
	const char *git_diff;     /* valid UTF-8 */
	size_t git_diff_len;
	const char *git_patch;
	size_t git_patch_len;
	const char *changed_files; /* JSON array */
	size_t changed_files_len;
	const char *message; /* the agent's words, NULL: none */
	size_t message_len;
	const char *metadata; /* JSON object */
	size_t metadata_len;
};

/*
 * Ends the task in one transaction: the rest of its events, an "end" event,
 * the result, the attempt's outcome, secret and queue row deleted. A wish to
 * cancel turns any outcome into cancelled. *final is what it became.
 * ERR_CONFLICT: superseded. Works while the row is pending again, as long as
 * nobody has claimed it since.
 *
 * container_id and so on of other outcomes than COMPLETED leave the columns
 * of the contract's table (3.7) as they were.
 *
 * What does not fit the server's max_allowed_packet: the diff and the message
 * are cut, with a marker; a patch or file list makes it FAILURE_TOO_LARGE.
 * ERR_INVALID: the result itself will never be taken (no UTF-8, no JSON, not
 * an end, or not shipped up to there): end the task with another one.
 */
int queue_complete(struct db *db, const struct hold *h,
    const struct event_new *events, size_t n, uint64_t shipped,
    const struct task_result *result, enum task_state *final,
    struct err *e) MUST_CHECK;

/*
 * The attempt is lost, and its own reaper knows that nothing of it lives on
 * this machine: back to pending after delay_ms, with an event "lost" that
 * carries why; or, when the user had asked for it, cancelled. counts adds
 * to tries. What it has outside may go at once. ERR_CONFLICT: superseded.
 */
int queue_give_back(struct db *db, const struct hold *h, unsigned int delay_ms,
    bool counts, const char *why, struct err *e) MUST_CHECK;

/*
 * The attempt could not begin for want of room somewhere: back to pending, in
 * its old place and due at once, without a try being counted, with an event
 * "waiting"; reason is shown to the user while it waits. When to claim again is
 * the caller's to know. Otherwise as queue_give_back().
 */
#define QUEUE_REASON_MAX 480 /* bytes */
int queue_defer(struct db *db, const struct hold *h, const char *reason,
    struct err *e) MUST_CHECK;

/* For how long this task has been deferred, again and again; 0: not at all. */
int queue_waited_ms(struct db *db, const struct hold *h, int64_t *ms,
    struct err *e) MUST_CHECK;

/*
 * Every task this owner string holds, running. All are read before the first
 * call of fn, which may use the handle.
 */
typedef int hold_fn(void *ctx, const struct hold *h, bool cancel_requested,
    struct err *e);
int queue_owned(struct db *db, const char *owner, hold_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* The same for every other boot of this machine id: dead for certain. */
int queue_owned_by_past_boots(struct db *db, const char *machine_id,
    const char *boot_id, hold_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/*
 * Tasks running somewhere else whose lease ran out more than slack_s ago: puts
 * at most 20 back to pending (tries + 1), or ends them: cancelled when that was
 * asked for, failed when tries reached max_tries. *taken is their number.
 */
struct sweep {
	const char *owner; /* our own rows are left alone */
	unsigned int slack_s;
	unsigned int delay_ms;
	unsigned int max_tries;
};

int queue_sweep(struct db *db, const struct sweep *s, unsigned int *taken,
    struct err *e) MUST_CHECK;

/*
 * Where a task stands, for a spool folder found on disk. HOLD_SUPERSEDED when
 * there is no such live attempt.
 */
int queue_hold_state(struct db *db, const struct hold *h,
    enum hold_state *state, struct err *e) MUST_CHECK;

struct queue_counts {
	int64_t pending;
	int64_t running;
	int64_t oldest_pending_s;
};

int queue_counts_get(struct db *db, struct queue_counts *c,
    struct err *e) MUST_CHECK;

/*
 * Deletes idempotency keys older than hours, and refresh tokens and what else
 * of accounts has long expired: a thousand rows of each kind at most. 1 when
 * there may be more: call it again soon.
 */
int queue_expire_keys(struct db *db, unsigned int hours,
    struct err *e) MUST_CHECK;

#endif
