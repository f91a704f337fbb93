#ifndef STORE_TEST_USER_H
#define STORE_TEST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * test_user: accounts that automated tests make, and that end after an hour
 * (contract 7). They have no password. A real user is never one of them.
 */
#define TEST_USER_LIFE_H 1

struct test_user {
	char id[37];
	char email[321];
	char created_at[40]; /* as clock_text() writes it */
	char expires_at[40];
	char preferences[4096]; /* a JSON text */
	char updated_at[40];
};

/* One of this address that has expired, or one that has not: 1; 0: none. */
int test_user_at(struct db *db, const char *email, bool expired,
    struct test_user *u, struct err *e) MUST_CHECK;

/* Adds one. ERR_CONFLICT: the id is in use. */
int test_user_add(struct db *db, const char *id, const char *email,
    struct test_user *made, struct err *e) MUST_CHECK;

/* ERR_ABSENT "Test user not found", also for a real user. */
int test_user_find(struct db *db, const char *id, struct test_user *u,
    struct err *e) MUST_CHECK;

/* Newest first; expired: only those. fn must not use the handle. */
typedef int test_user_fn(void *ctx, const struct test_user *u, struct err *e);
int test_user_list(struct db *db, bool expired, test_user_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

#endif
