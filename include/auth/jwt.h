#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/encode.h"
#include "util/err.h"

/*
 * jwt: our access and refresh tokens, HMAC-SHA-256 and nothing else
 * (contract 2.1, D7). The algorithm is no setting: it cannot be confused.
 *
 *	jwt_key_check (at start, before any fork) -> jwt_issue | jwt_verify
 *
 * encode_init() must have been called.
 */

#define JWT_SECRET_MIN 32
#define JWT_SECRET_MAX 4096
#define JWT_TOKEN_MAX 8192 /* J10 */
#define JWT_LEEWAY_MAX_S 60
#define JWT_LIFE_MAX_S (366LL * 24 * 3600)

struct jwt_key {
	const char *secret; /* borrowed for as long as the key is used */
	size_t secret_len;
	int leeway_s; /* how far iat and nbf may lie ahead of our clock */
};

enum jwt_type {
	JWT_ACCESS,
	JWT_REFRESH,
	JWT_TYPE_N
};

struct jwt_claims {
	enum jwt_type type;
	char user_id[UUID_TEXT]; /* lower case */
	char jti[UUID_TEXT];
	int64_t iat; /* seconds since 1970 */
	int64_t exp;
	const char *email; /* for jwt_issue(), borrowed; NULL: none */
};

/* The role and audience that our access tokens name, as Supabase's do. */
#define JWT_ROLE "authenticated"

/*
 * Refuses (ERR_INVALID) a key that must not be used: none, shorter than
 * JWT_SECRET_MIN bytes, or a leeway out of bounds (J1, J9).
 */
int jwt_key_check(const struct jwt_key *key, struct err *e) MUST_CHECK;

/*
 * Appends a new token to *token. The caller has set type and user_id in *c;
 * iat, exp (now + life_s) and a fresh jti are filled in.
 */
int jwt_issue(struct buf *token, struct jwt_claims *c,
    const struct jwt_key *key, int64_t life_s, struct err *e) MUST_CHECK;

/* What is expected of a token. */
struct jwt_want {
	const struct jwt_key *key;
	enum jwt_type type;
};

/* A token as it came, not terminated. */
struct jwt_text {
	const char *text;
	size_t len;
};

/*
 * A token that is whole, ours, in time and of this type fills *c. Anything
 * else is ERR_UNKNOWN (401), with the text that the contract (2.2) shows to
 * the client; the signature is judged before the times and these before the
 * type. ERR_BROKEN: the key itself is unusable. Whether the user exists and
 * whether the jti was revoked is for the caller to ask.
 */
int jwt_verify(struct jwt_claims *c, const struct jwt_want *want,
    const struct jwt_text *token, struct err *e) MUST_CHECK;

#endif
