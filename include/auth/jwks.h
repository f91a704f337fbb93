#ifndef AUTH_JWKS_H
#define AUTH_JWKS_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * jwks: an identity provider's public keys, read from a JSON Web Key Set.
 *
 * Taken are RSA keys of 2048 bits and more (for RS256) and EC keys on P-256
 * (for ES256) that may sign; each is good for its one algorithm (J3, J9). What
 * else a set holds is passed over: providers add kinds as they like. Keys that
 * carry private members are refused with the whole set, since a secret in a
 * public place is a sign that it is the wrong file.
 */

#define JWKS_TEXT_MAX ((size_t)256 * 1024)
#define JWKS_KEYS_MAX 64

struct jwks;
struct jwk;

/*
 * ERR_INVALID: not a key set, two keys of one kid and algorithm, or a private
 * key. A set without a single usable key is one, too, that knows nobody.
 */
int jwks_read(struct jwks **set, const char *text, size_t len,
    struct err *e) MUST_CHECK;
void jwks_free(struct jwks *set); /* takes NULL */

/* How many usable keys there are, for tests. */
size_t jwks_count(const struct jwks *set);

/*
 * The key of this id and algorithm ("RS256", "ES256"). kid NULL: the token
 * names none, and the set must have exactly one key for the algorithm. NULL
 * when there is none.
 */
const struct jwk *jwks_find(const struct jwks *set, const char *kid,
    const char *alg);

/* Its public key as PEM. */
const char *jwk_pem(const struct jwk *key, size_t *len);

/*
 * What to keep after a fetch: all keys of fresh, and those of old (NULL: there
 * is none) that are gone from it, until keep_s after they went, so that tokens
 * signed just before a rotation stay good. Appends a key set to *out. Both are
 * texts of sets; old is one that this function wrote.
 */
struct jwks_merge {
	const char *fresh;
	size_t fresh_len;
	const char *old;
	size_t old_len;
	int64_t now_s;
	int64_t keep_s;
};

int jwks_merge(struct buf *out, const struct jwks_merge *m,
    struct err *e) MUST_CHECK;

#endif
