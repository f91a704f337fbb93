#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "db/db.h"

/*
 * audit: who signed in and failed to, and what was done to accounts and
 * tokens. Rows are never changed, and go when they are old. Never a secret in
 * them.
 */

/* Strings may be NULL but kind and actor; too long ones are cut. */
struct audit_entry {
	const char *kind;    /* "sign-in", "token-add", ... */
	const char *user_id; /* whom it is about; NULL: nobody known */
	const char *actor;   /* "user", "admin" or "anonymous" */
	const char *address;
	const char *request_id;
	const char *detail;
};

int audit_add(struct db *db, const struct audit_entry *a,
    struct err *e) MUST_CHECK;

struct audit_row {
	int64_t id;
	char at[40];
	char kind[41];
	char user_id[37]; /* "" none, and so on */
	char actor[401];
	char address[46];
	char request_id[65];
	char detail[4001];
};

/* The newest limit ones, of one user or (NULL) of all; newest first. */
typedef int audit_fn(void *ctx, const struct audit_row *a, struct err *e);
int audit_list(struct db *db, const char *user_id, int64_t limit, audit_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/*
 * Deletes what is older than days: at most limit rows. 1 when there may be
 * more.
 */
int audit_tidy(struct db *db, long days, int64_t limit,
    struct err *e) MUST_CHECK;

#endif
