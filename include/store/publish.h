#ifndef STORE_PUBLISH_H
#define STORE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "store/queue.h"
#include "store/state.h"

/*
 * publish: a task's pull request on its way (reliability 12). One row a task:
 *
 *	requested -> running -> pushed -> done
 *	                 |         |
 *	                 +---------+---> failed, until it is asked for again
 *
 * Whoever asks makes the row "requested". A reaper claims it as it claims a
 * task, with a lease and an attempt that fences, has a runner push the branch,
 * and writes "pushed" or "failed"; the credential then goes. Opening the pull
 * request is the asker's own last step.
 *
 * Attempts of publishing count from HOLD_PUBLISH up, those of tasks never get
 * there: so a hold says by itself which table it is of.
 */
#define HOLD_PUBLISH 1000000u

bool hold_publishes(const struct hold *h);

enum publish_state {
	PUBLISH_NONE, /* never asked for */
	PUBLISH_REQUESTED,
	PUBLISH_RUNNING,
	PUBLISH_PUSHED,
	PUBLISH_DONE,
	PUBLISH_FAILED
};

/* For the API: what is asked for */

/* A task as far as its pull request goes. Free with publish_task_clear(). */
struct publish_task {
	enum task_state status;
	uint64_t patch_bytes;
	char *repo_url;
	char *branch;
	char *prompt;
	char *changed_files; /* JSON array; "" when NULL */

	bool has_pull; /* it was opened already */
	char *pr_branch;
	int64_t pr_number;
	char *pr_url;
};

/* ERR_ABSENT "Task not found", also for somebody else's. */
int publish_task_get(struct db *db, const char *user_id, int64_t id,
    struct publish_task *t, struct err *e) MUST_CHECK;
void publish_task_clear(struct publish_task *t); /* takes a zeroed struct */

#define PUBLISH_ERROR_MAX 4000

/* How far it is. */
struct publish_row {
	enum publish_state state;
	char head_branch[256];
	char failure[41]; /* "" unless failed */
	char error[PUBLISH_ERROR_MAX + 1];
};

/* A task without a row is PUBLISH_NONE. */
int publish_look(struct db *db, const char *user_id, int64_t id,
    struct publish_row *row, struct err *e) MUST_CHECK;

/* What a request writes down. All borrowed. */
struct publish_new {
	const char *user_id;
	int64_t task_id;
	const char *repo_url; /* as the host calls it now */
	const char *base_branch;
	const char *key_id; /* the sealed credential (auth/seal.h) */
	const uint8_t *nonce;
	const void *sealed;
	size_t sealed_len;
};

/*
 * A new row, or a failed one that begins again; others stay as they are, but
 * one that waits takes the newer credential: the older may be what is wrong.
 */
int publish_request(struct db *db, const struct publish_new *n,
    struct err *e) MUST_CHECK;

/* The pull request as the host has it. */
struct publish_pull {
	const char *branch;
	int64_t number;
	const char *url;
};

/* It is open: task and row say so from now on. May be repeated. */
int publish_opened(struct db *db, const char *user_id, int64_t task_id,
    const struct publish_pull *p, struct err *e) MUST_CHECK;

/* The branch is no more what it was: pushed becomes failed. */
int publish_undo(struct db *db, const char *user_id, int64_t task_id,
    const char *failure, struct err *e) MUST_CHECK;

/* For the reaper: as in store/queue.h */

struct publish_claim {
	struct claim task;
	char base_commit[65]; /* that the patch was made from; "" not known */
	int64_t completed_s;  /* of the task, since 1970 */
	void *patch;
	size_t patch_len;
};

void publish_claim_clear(struct publish_claim *c); /* takes a zeroed struct */

/* The oldest one that is due: 1 with *c, 0 there is none. */
int publish_claim(struct db *db, const char *owner, unsigned int lease_s,
    struct publish_claim *c, struct err *e) MUST_CHECK;

/* HOLD_OURS or HOLD_SUPERSEDED. */
int publish_hold_state(struct db *db, const struct hold *h,
    enum hold_state *state, struct err *e) MUST_CHECK;
int publish_renew(struct db *db, const char *owner, const struct hold *h,
    unsigned int lease_s, enum hold_state *state, struct err *e) MUST_CHECK;

/* Attempts lost so far. ERR_ABSENT: not held any more. */
int publish_tries(struct db *db, const struct hold *h, unsigned int *tries,
    struct err *e) MUST_CHECK;
int publish_give_back(struct db *db, const struct hold *h,
    unsigned int delay_ms, bool counts, const char *why,
    struct err *e) MUST_CHECK;
int publish_owned(struct db *db, const char *owner, hold_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;
int publish_owned_by_past_boots(struct db *db, const char *machine_id,
    const char *boot_id, hold_fn *fn, void *ctx, struct err *e) MUST_CHECK;
int publish_sweep(struct db *db, const struct sweep *s, unsigned int *taken,
    struct err *e) MUST_CHECK;

/* How many are requested and not claimed. */
int publish_waiting(struct db *db, int64_t *n, struct err *e) MUST_CHECK;

/* How a push ended. Borrowed. */
struct publish_result {
	const char *head_branch; /* NULL: it failed */
	const char *commit_hash;
	const char *failure; /* NULL: it did not */
	const char *error;
};

/* pushed or failed; the credential goes. ERR_CONFLICT: superseded. */
int publish_complete(struct db *db, const struct hold *h,
    const struct publish_result *r, struct err *e) MUST_CHECK;

#endif
