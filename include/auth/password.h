#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

/*
 * password: argon2id (libsodium). One call of hash, matches or waste takes
 * about the time and memory of *cost on purpose: bound how many run at once.
 * encode_init() must have been called.
 */

#define PASSWORD_MIN_CHARS 10
#define PASSWORD_MAX_BYTES 256
#define PASSWORD_HASH_TEXT 128 /* room for a hash, with its NUL */

struct password_cost {
	unsigned int passes;
	size_t memory_bytes;
};

/* clang-format off */
#define PASSWORD_COST_DEFAULT { 2, (size_t)32 << 20 }
/* clang-format on */

/*
 * The rules for a new password: UTF-8 of at least PASSWORD_MIN_CHARS
 * characters and at most PASSWORD_MAX_BYTES bytes. ERR_INVALID with a text
 * for the user; the password is never in it.
 */
int password_check(const char *password, size_t len, struct err *e) MUST_CHECK;

/* password_check(), then the hash, salt and cost within it. ERR_RETRY: memory
 */
int password_hash(char out[PASSWORD_HASH_TEXT], const char *password,
    size_t len, const struct password_cost *cost, struct err *e) MUST_CHECK;

/*
 * True if this is the password of hash; the hash says at what cost. False
 * also for a password that is too long and a hash that is none.
 */
bool password_matches(const char *hash, const char *password, size_t len);

/*
 * Takes as long as password_matches() takes for a hash made at this cost:
 * call it when there is no such user, so that the time tells nothing.
 */
void password_waste(const char *password, size_t len,
    const struct password_cost *cost);

/* True if hash was made at another cost and should be made anew. */
bool password_outdated(const char *hash, const struct password_cost *cost);

#endif
