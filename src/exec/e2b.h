#ifndef EXEC_E2B_H
#define EXEC_E2B_H

#include <stdint.h>

#include "exec/e2b_trouble.h"
#include "exec/sandbox_impl.h"
#include "util/json.h"
#include "util/net_stream.h"

/*
 * e2b: a sandbox that is a machine in E2B's cloud, reached over HTTPS.
 *
 *	/control        0700, root's: the scripts, the trusted git folder
 *	/control/run/N  of command N: out, err, pid, and in the end code
 *	/home/user      the agent's user
 *
 * Trusted commands run as root, others as "user", who cannot become root. A
 * command runs under share/sandbox/e2b-run, detached from our connection: its
 * output and its exit status are in files, so that a broken connection costs
 * nothing (E1).
 *
 * Files, each e2b_ but the first: e2b.c opens and closes, http asks,
 * control are the calls to the account's API, create makes a sandbox
 * without ever making two, reopen goes on with that of a process that has
 * died, list lists them, older ends those of earlier attempts, files puts
 * and gets, process starts a command and listens, run follows it to its
 * end, output reads what it says, kill ends it before, trouble knows the
 * errors, envelope and event the streams, debug the log.
 */
#define E2B_ID_MAX 64
#define E2B_URL_MAX 700
#define E2B_HEADER_MAX 700
#define E2B_NONCE 33
#define E2B_RUN_SCRIPT SANDBOX_CONTROL "/e2b-run"

#define E2B_CALL_MS 30000 /* an ordinary request */
#define E2B_TRIES 5

struct e2b {
	struct sandbox base;
	struct sandbox_e2b account;
	const struct sandbox_e2b *set; /* the same */
	struct sandbox_host *host;
	struct net_pool *pool;

	char api[E2B_URL_MAX];      /* base URL of the account's API */
	char envd[E2B_URL_MAX];     /* base URL of the sandbox */
	char key[E2B_HEADER_MAX];   /* "X-API-Key: ...": secret */
	char token[E2B_HEADER_MAX]; /* "X-Access-Token: ...": secret */
	char routing[E2B_ID_MAX + 20];
	char id[E2B_ID_MAX];    /* "" until there is one */
	char unborn[E2B_NONCE]; /* of one that may exist; "" usually */
	bool v1;                /* an older control plane (2.3) */
	bool closing;           /* a wish to stop does not count any more */
	bool dead;              /* known to be gone */
	bool untrusted;         /* an untrusted command has run */
	int64_t ends_ms;        /* of its life, by our clock */
	unsigned int runs;      /* commands so far */

	/*
	 * What can be taken up after our death. known_runs: commands that a
	 * process before us had begun, the last of them known_us ago.
	 */
	struct memo memo;
	unsigned int known_runs;
	int64_t known_us;
	struct buf modes; /* "MODE\0PATH\0": to be set by the next command */
	size_t mode_count;

	/*
	 * Requests are to be over by then, by the monotonic clock, or soon
	 * after: a command's time must not be spent on waiting for an answer.
	 */
	int64_t hurry_ms;

	enum e2b_trouble trouble; /* of the last request */
	int retry_after_s;        /* that it said; -1: nothing */
	char said[E2B_SAID_MAX];
};

/* One request. */
struct e2b_request {
	enum e2b_face face;
	const char *method;
	const char *path; /* with its query */
	const char *type; /* of the body; NULL: no body */
	const char *body;
	size_t body_len;
	const char *header; /* one more; NULL: none */
	const char *want;   /* a header of the answer; NULL: none */
	size_t max_body;
	int timeout_ms; /* 0: E2B_CALL_MS */
	bool once;      /* must not happen twice */
};

#define E2B_HEADERS_MAX 10

/* Fills in the account's address and key. ERR_INVALID: they cannot be. */
int e2b_set_account(struct e2b *b, const struct sandbox_e2b *set,
    struct err *e) MUST_CHECK;

/* The headers of a request, NULL last. */
void e2b_headers(const struct e2b *b, const struct e2b_request *rq,
    const char *headers[E2B_HEADERS_MAX]);

/*
 * Asks once. 0: fine, with the answer. -1: b->trouble says what, b->said the
 * words, *e the text for people. rs is to be cleared in any case.
 */
int e2b_ask(struct e2b *b, const struct e2b_request *rq,
    struct net_response *rs, struct err *e) MUST_CHECK;

/*
 * The same, again and again while that may help; of a sandbox that does not
 * answer it asks the control plane what has become of it (section 8, 7).
 */
int e2b_ask_again(struct e2b *b, const struct e2b_request *rq,
    struct net_response *rs, struct err *e) MUST_CHECK;

/*
 * e2b_debug.c: what goes to and fro, in the log of the level debug. path is
 * without the server; body is JSON, or NULL.
 */
void e2b_debug_request(const struct e2b *b, const char *method,
    const char *path, const char *body, size_t len);
void e2b_debug_answer(const struct e2b *b, const char *method, const char *path,
    const struct net_response *rs, int64_t took_ms);

/* Overwrites the account's key and the sandbox's token wherever they stand. */
void e2b_scrub(const struct e2b *b, char *text);

/* Appends JSON without what its names call secret; of all else, its size. */
void e2b_mask(struct buf *out, const char *body, size_t len);

/* Records a trouble that is seen elsewhere. Always -1. */
int e2b_fail(struct e2b *b, enum e2b_trouble t, const char *said,
    struct err *e);

/* True when somebody wants an end. */
bool e2b_stopped(const struct e2b *b);

/* Waits. False when it was stopped. */
bool e2b_pause(struct e2b *b, int64_t ms);

/*
 * Tells whom the sandbox works for, once for each trouble, what it waits for.
 * told is E2B_FINE at first.
 */
int e2b_tell(const struct e2b *b, enum e2b_trouble *told,
    struct err *e) MUST_CHECK;

/* How long to wait before try number n (0 first), in ms: 250 and doubling. */
int64_t e2b_backoff_ms(unsigned int n);

/*
 * The same, or what the last answer asked for. -1: longer than until_ms leaves,
 * by the monotonic clock.
 */
int64_t e2b_wait_ms(const struct e2b *b, unsigned int n, int64_t until_ms);

/* The account's API. What they learn of a sandbox goes into b. */
int e2b_make(struct e2b *b, const char *nonce, unsigned int life_s,
    int *retry_after_s, bool *unclear, struct err *e) MUST_CHECK;
int e2b_look(struct e2b *b, bool *paused, struct err *e) MUST_CHECK;
int e2b_find(struct e2b *b, const char *nonce, struct err *e) MUST_CHECK;
int e2b_renew(struct e2b *b, unsigned int life_s, struct err *e) MUST_CHECK;
int e2b_wake(struct e2b *b, unsigned int life_s, struct err *e) MUST_CHECK;
int e2b_kill(struct e2b *b, struct err *e) MUST_CHECK;

/* Another one than b's own. 0, or 1: it was gone already. */
int e2b_kill_id(struct e2b *b, const char *id, struct err *e) MUST_CHECK;

/* Pauses it, memory and all; one that is paused already is fine. */
int e2b_suspend(struct e2b *b, struct err *e) MUST_CHECK;

/*
 * Ends the sandboxes of this task's earlier attempts, so that no two agents
 * work at once (reliability 8). ERR_RETRY: E2B did not say so in time.
 */
int e2b_end_older(struct e2b *b, struct err *e) MUST_CHECK;

/* Makes a sandbox, waiting for its turn. */
int e2b_create(struct e2b *b, unsigned int life_s, struct err *e) MUST_CHECK;

/*
 * Looks for one that may have been made, for this long; and then until there is
 * an answer, while E2B is away, but when the sandbox is being closed.
 * ERR_ABSENT: there is none.
 */
int e2b_search(struct e2b *b, const char *nonce, int64_t limit_ms,
    struct err *e) MUST_CHECK;

/* Goes on with the one that the memo names; the same as e2b_create() else. */
int e2b_reopen(struct e2b *b, const struct memo *m, unsigned int life_s,
    struct err *e) MUST_CHECK;

/* Has b->memo kept. */
int e2b_remember(struct e2b *b, struct err *e) MUST_CHECK;

/* It is gone: nobody is to look for it again. */
void e2b_forget(struct e2b *b);

/* The sandbox's files. */
int e2b_put(struct sandbox *sb, const char *path, const void *bytes, size_t len,
    unsigned int mode, struct err *e);
int e2b_get(struct sandbox *sb, const char *path, struct buf *out,
    struct err *e);

/*
 * Appends bytes of a file from this offset on, at most most. 0 also when there
 * is nothing there.
 */
int e2b_read_from(struct e2b *b, const char *path, uint64_t from, size_t most,
    struct buf *out, struct err *e) MUST_CHECK;

int e2b_run(struct sandbox *sb, const struct sandbox_cmd *cmd,
    struct sandbox_end *end, struct err *e);

#endif
