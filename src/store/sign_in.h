#ifndef STORE_SIGN_IN_H
#define STORE_SIGN_IN_H

#include "store/user.h"

/*
 * sign_in: what the rows of refresh tokens and of sessions have in common (see
 * struct sign_in).
 */

/* The columns of an INSERT, their places and their values, in this order. */
#define SIGN_IN_COLUMNS "epoch, family, api_token_id, ends_at"
#define SIGN_IN_VALUES "?, ?, ?, '1970-01-01' + INTERVAL ? SECOND"
#define SIGN_IN_ARGS 4
void sign_in_args(struct db_arg args[SIGN_IN_ARGS], const struct sign_in *s);

/*
 * Of row r of the user u: its columns in a SELECT, what they need to be joined
 * with, and whether all that it comes from still stands. Not by
 * UNIX_TIMESTAMP(), which ends in 2038.
 */
#define SIGN_IN_SELECT                                    \
	"r.epoch, r.family, COALESCE(r.api_token_id, 0)," \
	" COALESCE(TIMESTAMPDIFF(SECOND, '1970-01-01', r.ends_at), 0)"
#define SIGN_IN_JOIN " LEFT JOIN api_tokens t ON t.id = r.api_token_id"
#define SIGN_IN_STANDS                                             \
	"r.revoked_at IS NULL AND r.expires_at > UTC_TIMESTAMP(6)" \
	" AND r.epoch = u.sign_in_epoch"                           \
	" AND (r.ends_at IS NULL OR r.ends_at > UTC_TIMESTAMP())"  \
	" AND (r.api_token_id IS NULL OR (t.id IS NOT NULL"        \
	"  AND t.revoked_at IS NULL AND (t.expires_at IS NULL"     \
	"  OR t.expires_at > UTC_TIMESTAMP(6))))"

/* In a transaction: ends all that a user has signed in to. */
int sign_in_end_all(struct db *db, const char *user_id,
    struct err *e) MUST_CHECK;

/* Reads SIGN_IN_SELECT's columns from the first-th on. */
void sign_in_fill(struct sign_in *s, struct db_rows *rows, unsigned int first);

#endif
