#ifndef AUTH_TOKEN_CACHE_H
#define AUTH_TOKEN_CACHE_H

#include <stddef.h>

#include "auth/jwt.h"
#include "util/err.h"

/*
 * token_cache: what this process has verified lately, so that a browser that
 * polls with the same token does not pay for the signature each time (J13).
 *
 * Bounded: a fixed number of entries, the oldest of a slot's few goes first.
 * An entry is known by the SHA-256 of the token, holds its claims for at most
 * TOKEN_CACHE_S seconds, and is never used past its exp. Only the signature
 * is remembered: asking whether the user or the jti is still good stays with
 * the caller. One key for the life of the cache; not for threads.
 */
#define TOKEN_CACHE_S 60

struct token_cache;

/* entries: 1 to 65536, rounded up to a multiple of four. */
int token_cache_new(struct token_cache **cache, size_t entries,
    struct err *e) MUST_CHECK;

/* Wipes and frees it; takes NULL. */
void token_cache_free(struct token_cache *cache);

/*
 * jwt_verify() with a memory; the same results and the same errors. cache may
 * be NULL.
 */
int token_cache_verify(struct token_cache *cache, struct jwt_claims *c,
    const struct jwt_want *want, const struct jwt_text *token,
    struct err *e) MUST_CHECK;

#endif
