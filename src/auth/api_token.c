#include "auth/api_token.h"

#include <sodium.h>
#include <string.h>

#define RANDOM_BYTES 32
#define PREFIX_LEN (sizeof(API_TOKEN_PREFIX) - 1)

_Static_assert(API_TOKEN_TEXT == PREFIX_LEN + SESSION_ID_TEXT,
    "a token is the prefix and 43 characters of base64url");

void
session_id_make(char out[SESSION_ID_TEXT], uint8_t hash[SHA256_BYTES])
{
	unsigned char random[RANDOM_BYTES];

	random_fill(random, sizeof(random));
	/* Cannot fail: the room is exactly what it takes. */
	(void)sodium_bin2base64(out, SESSION_ID_TEXT, random, sizeof(random),
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(random, sizeof(random));
	sha256(hash, out, SESSION_ID_TEXT - 1);
}

/* Strict, so that stray bits at the end make no second spelling (J8). */
bool
session_id_hash(uint8_t hash[SHA256_BYTES], const char *text, size_t len)
{
	struct buf bytes = BUF(RANDOM_BYTES);
	bool good;

	good = len == SESSION_ID_TEXT - 1 &&
	    decode_base64url(&bytes, text, len) && bytes.len == RANDOM_BYTES;
	buf_wipe(&bytes);
	if (good)
		sha256(hash, text, len);
	return good;
}

void
api_token_make(char out[API_TOKEN_TEXT], uint8_t hash[SHA256_BYTES])
{
	memcpy(out, API_TOKEN_PREFIX, PREFIX_LEN);
	session_id_make(out + PREFIX_LEN, hash);
	sha256(hash, out, API_TOKEN_TEXT - 1);
}

bool
api_token_claims(const char *text, size_t len)
{
	return len >= PREFIX_LEN &&
	    memcmp(text, API_TOKEN_PREFIX, PREFIX_LEN) == 0;
}

bool
api_token_hash(uint8_t hash[SHA256_BYTES], const char *text, size_t len)
{
	if (!api_token_claims(text, len) ||
	    !session_id_hash(hash, text + PREFIX_LEN, len - PREFIX_LEN))
		return false;
	sha256(hash, text, len);
	return true;
}
