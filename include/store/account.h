#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "store/user.h"

/*
 * account: what proves a user beside his password: API tokens, sessions of
 * browsers, names that others know him by. Secrets are known by their SHA-256
 * alone.
 */

struct api_token_new {
	const uint8_t *hash; /* 32 bytes */
	const char *user_id;
	const char *name;
	bool read_only;
	long days; /* 0: does not expire */
};

int api_token_add(struct db *db, const struct api_token_new *t, int64_t *id,
    struct err *e) MUST_CHECK;

/* Whose a token is that somebody has shown. */
struct api_token_shown {
	int64_t id;
	char user_id[37];
	bool read_only;
	bool first;     /* it was never used before */
	int64_t ends_s; /* when it expires, seconds since 1970; 0: never */
};

/*
 * Notes the use down, to the minute. ERR_UNKNOWN with a text for the client:
 * "Invalid API token", "Token has been revoked", "Token has expired", "User
 * not found" (disabled).
 */
int api_token_use(struct db *db, const uint8_t hash[32],
    struct api_token_shown *t, struct err *e) MUST_CHECK;

/* Times are "" for never. */
struct api_token_row {
	int64_t id;
	char name[401];
	bool read_only;
	bool revoked;
	char created_at[40];
	char expires_at[40];
	char last_used_at[40];
};

/* Oldest first. fn must not use the handle. */
typedef int api_token_fn(void *ctx, const struct api_token_row *t,
    struct err *e);
int api_token_list(struct db *db, const char *user_id, api_token_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;

/* ERR_ABSENT: no such token, or revoked before. */
int api_token_revoke(struct db *db, int64_t id, char user_id[37],
    struct err *e) MUST_CHECK;

/* A browser that has signed in. */
int session_add(struct db *db, const uint8_t hash[32], const char *user_id,
    int64_t life_s, const struct sign_in *s, struct err *e) MUST_CHECK;

/*
 * ERR_ABSENT: there is none, it or what it comes from is over or revoked, its
 * user disabled.
 */
int session_find(struct db *db, const uint8_t hash[32], char user_id[37],
    struct sign_in *s, struct err *e) MUST_CHECK;

/* Ends all of a user's sessions and refresh tokens. */
int user_sign_out(struct db *db, const char *user_id, struct err *e) MUST_CHECK;

/* The provider of names that the web server has checked. */
#define IDENTITY_PROXY "proxy"

/* ERR_CONFLICT: the name is somebody's already. */
int identity_link(struct db *db, const char *provider, const char *subject,
    const char *user_id, struct err *e) MUST_CHECK;

/* Ends the user's sessions and refresh tokens too: they may come from it. */
int identity_unlink(struct db *db, const char *provider, const char *subject,
    const char *user_id, struct err *e) MUST_CHECK;

/* The user, who may be disabled. ERR_ABSENT: nobody's name. */
int identity_find(struct db *db, const char *provider, const char *subject,
    char user_id[37], struct err *e) MUST_CHECK;

/* Lets an address sign up within days; again: the days begin anew. */
int invitation_add(struct db *db, const char *email, long days,
    struct err *e) MUST_CHECK;

/*
 * user_add() for those who do it themselves; invited: only with an open
 * invitation, which is used up. ERR_DENIED: there is none.
 */
int user_sign_up(struct db *db, const char *id, const char *email,
    const char *password_hash, bool invited, struct err *e) MUST_CHECK;

/*
 * Deletes what is long over: at most limit rows of each kind. 1 when there may
 * be more.
 */
int account_tidy(struct db *db, int64_t limit, struct err *e) MUST_CHECK;

#endif
