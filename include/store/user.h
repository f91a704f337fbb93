#ifndef STORE_USER_H
#define STORE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * user: accounts, their passwords' hashes and their refresh tokens.
 */

struct user_row {
	char id[37];
	char email[321]; /* "" when NULL */
	bool disabled;
	bool can_sign_in; /* has a password */
	char created_at[40];
	char password_hash[129]; /* only by user_find_*; "" when none */
	uint64_t epoch;          /* see struct sign_in; only by user_find_* */
};

/*
 * What refresh tokens and sessions come from: somebody was proven to be this
 * user. They all end when the user's epoch is raised (sign-out, a new password,
 * disabling), when the API token behind them is revoked or expires, and at
 * ends_s. Whoever proves reads the epoch first, so that nothing that is made
 * afterwards outlives what happened meanwhile.
 */
struct sign_in {
	uint8_t family[16]; /* random; the same in all that come from it */
	uint64_t epoch;
	int64_t api_token_id; /* 0: no API token */
	int64_t ends_s;       /* seconds since 1970; 0: no end of its own */
};

/*
 * A new account with a password (argon2id hash). email is stored as given and
 * compared in lower case. id is a UUID. ERR_CONFLICT: the address or id is
 * taken.
 */
/* By an administrator: his word for the address is taken. */
int user_add(struct db *db, const char *id, const char *email,
    const char *full_name, const char *password_hash, struct err *e) MUST_CHECK;

/* ERR_ABSENT: no such user. Disabled ones are found: the caller decides. */
int user_find_by_id(struct db *db, const char *id, struct user_row *u,
    struct err *e) MUST_CHECK;
int user_find_by_email(struct db *db, const char *email, struct user_row *u,
    struct err *e) MUST_CHECK;

/*
 * For administrators: by an address that nobody signs in with yet, such as an
 * imported one, if it is one user's only. Looks at every user.
 */
int user_find_by_address(struct db *db, const char *email, struct user_row *u,
    struct err *e) MUST_CHECK;

/*
 * For every authenticated call: 0 when the user is there and enabled,
 * ERR_UNKNOWN "User not found" else.
 */
int user_check(struct db *db, const char *id, struct err *e) MUST_CHECK;

/*
 * Sets a password; revokes the user's refresh tokens and sessions with it
 * (D10). ERR_ABSENT: no such user, or he has no address. ERR_CONFLICT: he gets
 * his first password and his address signs in somebody else.
 */
int user_set_password(struct db *db, const char *id, const char *hash,
    struct err *e) MUST_CHECK;

/*
 * Replaces a password's hash by one of the same password, unless it has been
 * changed meanwhile; nothing is revoked.
 */
int user_rehash(struct db *db, const char *id, const char *old_hash,
    const char *new_hash, struct err *e) MUST_CHECK;

/* An administrator says that the address is this user's. ERR_ABSENT. */
int user_confirm(struct db *db, const char *id, struct err *e) MUST_CHECK;

/*
 * An address as it is compared: in lower case, by the database's own rules, cut
 * to size bytes.
 */
int user_email_folded(struct db *db, const char *email, char *out, size_t size,
    struct err *e) MUST_CHECK;

/* Disables (and revokes refresh tokens and sessions) or enables again. */
int user_set_disabled(struct db *db, const char *id, bool disabled,
    struct err *e) MUST_CHECK;

/*
 * Deletes a user and all that is his: projects, tasks, tokens. As with
 * project_delete(), poke the reaper afterwards, and many tasks go in several
 * transactions. ERR_ABSENT: no such user.
 */
int user_delete(struct db *db, const char *id, struct err *e) MUST_CHECK;

/* Oldest first, without hashes. fn must not use the handle. */
typedef int user_row_fn(void *ctx, const struct user_row *u, struct err *e);
int user_list(struct db *db, user_row_fn *fn, void *ctx,
    struct err *e) MUST_CHECK;

/* Refresh tokens are known by the SHA-256 of their jti. */
int refresh_token_add(struct db *db, const uint8_t jti_hash[32],
    const char *user_id, int64_t life_s, const struct sign_in *s,
    struct err *e) MUST_CHECK;

/*
 * 0, and *s, when the token is on record, its user's, and neither it nor what
 * it comes from is revoked or over. ERR_UNKNOWN with "Token has been revoked"
 * (also when it is not on record) or "User not found" (gone or disabled).
 */
int refresh_token_check(struct db *db, const uint8_t jti_hash[32],
    const char *user_id, struct sign_in *s, struct err *e) MUST_CHECK;

/* Revokes it with all that come from the same sign-in. */
int refresh_token_revoke(struct db *db, const uint8_t jti_hash[32],
    struct err *e) MUST_CHECK;

#endif
