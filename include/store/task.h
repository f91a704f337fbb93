#ifndef STORE_TASK_H
#define STORE_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"
#include "store/queue.h"
#include "store/state.h"

/*
 * task: a task as its user sees it: accept, read, cancel. What the engine does
 * with live tasks is in store/queue.h.
 *
 * Every function names the user, and a task of somebody else is ERR_ABSENT
 * "Task not found", like one that does not exist.
 *
 * Callbacks look at a row that is just being read: they must not use the
 * handle. One that returns -1 ends the reading, and the call with its error.
 */

/* What start-task writes down. All borrowed. */
struct task_new {
	const char *user_id;
	int64_t project_id; /* 0: none */
	const char *prompt; /* stripped, valid UTF-8 */
	const char *repo_url;
	const char *branch;
	const char *agent;
	const char *agent_model; /* NULL: as the installation says */

	/* The sealed credential (auth/seal.h). */
	const char *key_id;
	const uint8_t *nonce; /* 16 bytes */
	const void *sealed;   /* NULL: none */
	size_t sealed_len;

	/* Idempotency-Key and SHA-256 of the canonical request; NULL: none. */
	const char *idem_key;
	const uint8_t *req_hash;

	/* Most live tasks (pending or running) this user may have. */
	unsigned int most_live;
};

enum task_start_end {
	TASK_STARTED,
	TASK_REPLAYED,   /* the same key and request: *id is the first one's */
	TASK_KEY_REUSED, /* the same key, another request */
	TASK_NO_PROJECT, /* not the user's project */
	TASK_LIVE_FULL   /* most_live reached */
};

/*
 * Accepts a task: row, queue row, sealed secret, event 1 "queued" and the key,
 * in one transaction. Returns 0 with *end when the outcome is certain. A lost
 * COMMIT is resolved by the random start token (reliability 11). ERR_RETRY:
 * not accepted, or unknown. ERR_UNKNOWN "User not found": gone or disabled.
 * With a key that was used before, its answer comes first, whatever the limits
 * are now. *id is set for STARTED, REPLAYED and KEY_REUSED.
 */
int task_start(struct db *db, const struct task_new *t,
    enum task_start_end *end, int64_t *id, struct err *e) MUST_CHECK;

/*
 * One task. Strings are borrowed until the callback returns; NULL where the
 * column is NULL; those with a length are not terminated. A reader fills only
 * the fields that its comment names.
 */
struct task_row {
	int64_t id;
	bool has_project;
	int64_t project_id;
	const char *status;
	const char *agent;
	const char *repo_url;
	const char *target_branch;
	const char *commit_hash;
	const char *error;
	const char *changed_files; /* JSON */
	size_t changed_files_len;
	const char *prompt;
	size_t prompt_len;
	const char *created_at; /* contract format 1; "" when NULL */

	/* list and full */
	bool has_patch;
	const char *chat_messages; /* JSON */
	size_t chat_messages_len;

	/* full */
	const char *user_id;
	const char *pr_branch;
	const char *container_id;
	bool has_pr_number;
	int64_t pr_number;
	const char *pr_url;
	const char *git_diff;
	size_t git_diff_len;
	const char *git_patch; /* raw bytes */
	size_t git_patch_len;
	const char *execution_metadata; /* JSON */
	size_t execution_metadata_len;
	const char *updated_at;
	const char *started_at;   /* NULL when unset */
	const char *completed_at; /* NULL when unset */
	bool is_test_data;
	const char *failure_code;

	/* full lists: the project's; NULL when there is none */
	const char *project_name;
	const char *project_repo_name;
	const char *project_repo_owner;
};

typedef int task_row_fn(void *ctx, const struct task_row *row, struct err *e);

/*
 * The first group of fields, in one statement by primary keys that also tells
 * whether the user is there and enabled: ERR_UNKNOWN "User not found" else.
 * This is what browsers poll.
 */
int task_status_get(struct db *db, const char *user_id, int64_t id,
    task_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/*
 * Where a task stands in line. ahead: how many pending ones stand before it,
 * counted up to 1000; -1 when it is not pending. reason: what it waits for
 * besides its turn; "": nothing.
 */
struct task_place {
	int64_t ahead;
	char reason[QUEUE_REASON_MAX + 1];
};

int task_queue_place(struct db *db, int64_t id, struct task_place *p,
    struct err *e) MUST_CHECK;

/* Every column. */
int task_get(struct db *db, const char *user_id, int64_t id, task_row_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

struct task_filter {
	int64_t project_id; /* 0: any */
	int64_t before; /* only tasks listed after this id; 0: from the top */
	unsigned int limit;     /* 0: all */
	enum task_state status; /* TASK_STATE_N: any */
};

/* Newest first (created_at, id descending); the first two groups. */
int task_list(struct db *db, const char *user_id,
    const struct task_filter *filter, task_row_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* Which tasks a full list is of: one task, a project's, or all of a user's. */
struct task_pick {
	int64_t id;         /* 0: any */
	int64_t project_id; /* 0: any; looked at when id is 0 */
};

/* Newest first, every column, and the project's names. */
int task_list_full(struct db *db, const char *user_id,
    const struct task_pick *pick, task_row_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/*
 * Adds one message, at the end, in one statement: whoever writes at the same
 * time loses nothing (D15). role is "user" or "assistant"; the timestamp is
 * now. In every state of the task. ERR_DENIED: the conversation is as large as
 * one may be (CHAT_BYTES_MAX).
 */
#define CHAT_BYTES_MAX (8 * 1024 * 1024)

struct chat_new {
	const char *role;
	const char *content; /* valid UTF-8 */
	size_t content_len;
};

int task_chat_add(struct db *db, const char *user_id, int64_t id,
    const struct chat_new *message, struct err *e) MUST_CHECK;

/* Only id, status and git_diff. */
int task_diff_get(struct db *db, const char *user_id, int64_t id,
    task_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/*
 * Asks for a task's end (reliability 7). 0 with *now: CANCELLED when it was
 * still pending or was cancelled before, RUNNING when its runner has to be
 * stopped first. ERR_CONFLICT with *now: it has ended otherwise.
 */
int task_cancel(struct db *db, const char *user_id, int64_t id,
    enum task_state *now, struct err *e) MUST_CHECK;

/*
 * One event of a task. data is JSON. Kinds of the engine's own, beside the
 * lines of the spool: queued, claimed, revived, lost ("why"), cancel (asked
 * for while it ran) and, always the last one, end ("status", "failure").
 */
struct event_row {
	int64_t seq;
	const char *kind;
	const char *created_at;
	const char *data;
	size_t data_len;
};

typedef int event_row_fn(void *ctx, const struct event_row *row, struct err *e);

/* Events with seq > after, in order, at most limit of them. */
int task_events(struct db *db, const char *user_id, int64_t id, int64_t after,
    unsigned int limit, event_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
