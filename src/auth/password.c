#include "auth/password.h"

#include <sodium.h>
#include <string.h>

#include "util/utf8.h"

_Static_assert(PASSWORD_HASH_TEXT == crypto_pwhash_argon2id_STRBYTES,
    "the header's room is what libsodium writes");

int
password_check(const char *password, size_t len, struct err *e)
{
	if (len > PASSWORD_MAX_BYTES)
		return err_set(e, ERR_INVALID,
		    "the password must have at most %d bytes",
		    PASSWORD_MAX_BYTES);
	if (!utf8_valid(password, len))
		return err_set(e, ERR_INVALID,
		    "the password must be valid UTF-8");
	if (utf8_length(password, len) < PASSWORD_MIN_CHARS)
		return err_set(e, ERR_INVALID,
		    "the password must have at least %d characters",
		    PASSWORD_MIN_CHARS);
	return 0;
}

int
password_hash(char out[PASSWORD_HASH_TEXT], const char *password, size_t len,
    const struct password_cost *cost, struct err *e)
{
	if (password_check(password, len, e) != 0)
		return -1;
	if (crypto_pwhash_argon2id_str(out, password, len, cost->passes,
		cost->memory_bytes) != 0)
		return err_set(e, ERR_RETRY,
		    "cannot hash a password: out of memory");
	return 0;
}

bool
password_matches(const char *hash, const char *password, size_t len)
{
	if (len > PASSWORD_MAX_BYTES ||
	    strnlen(hash, PASSWORD_HASH_TEXT) == PASSWORD_HASH_TEXT)
		return false;
	return crypto_pwhash_argon2id_str_verify(hash, password, len) == 0;
}

void
password_waste(const char *password, size_t len,
    const struct password_cost *cost)
{
	const unsigned char salt[crypto_pwhash_argon2id_SALTBYTES] = { 0 };
	unsigned char out[crypto_pwhash_argon2id_BYTES_MIN * 2];
	int failed;

	if (len > PASSWORD_MAX_BYTES)
		return;
	failed = crypto_pwhash_argon2id(out, sizeof(out), password, len, salt,
	    cost->passes, cost->memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
	/* Out of memory ends a real check early in the same way. */
	(void)failed;
	sodium_memzero(out, sizeof(out));
}

bool
password_outdated(const char *hash, const struct password_cost *cost)
{
	return strnlen(hash, PASSWORD_HASH_TEXT) == PASSWORD_HASH_TEXT ||
	    crypto_pwhash_argon2id_str_needs_rehash(hash, cost->passes,
		cost->memory_bytes) != 0;
}
