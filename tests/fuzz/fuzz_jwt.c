/*
 * Tokens and Authorization headers. The first byte chooses: a header as it
 * came from outside, or a header and a payload (cut at the first 0xFE) that
 * get a good signature, which an attacker cannot make but a peer with the
 * same secret can. Whatever is taken must keep what auth/jwt.h promises.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/bearer.h"
#include "auth/jwt.h"
#include "auth/token_cache.h"
#include "util/utf8.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define CUT 0xFE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct jwt_key key = { SECRET, sizeof(SECRET) - 1, 10 };

static void
check(const struct jwt_text *token, struct token_cache *cache)
{
	const struct jwt_want want = { &key, JWT_ACCESS };
	struct jwt_claims c = { 0 }, again = { 0 };
	struct err e = { 0 }, e2 = { 0 };
	int rc = token_cache_verify(cache, &c, &want, token, &e);
	char id[UUID_TEXT];

	if (rc != 0) {
		/* the text goes into a JSON answer */
		if (e.kind == ERR_NONE || !utf8_valid(e.text, strlen(e.text)))
			abort();
	} else if (!uuid_read(id, c.user_id) || strcmp(id, c.user_id) != 0 ||
	    c.exp <= (int64_t)time(NULL) - 5 || c.iat < 0 ||
	    c.exp - c.iat > JWT_LIFE_MAX_S) {
		abort();
	}
	if (token_cache_verify(cache, &again, &want, token, &e2) != rc &&
	    strcmp(e2.text, "Token has expired") != 0 &&
	    strcmp(e.text, "The token is not yet valid (iat)") != 0 &&
	    strcmp(e.text, "The token is not yet valid (nbf)") != 0)
		abort();
}

static void
check_signed(const uint8_t *data, size_t size, struct token_cache *cache)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	const uint8_t *cut = memchr(data, CUT, size);
	size_t head = cut == NULL ? size : (size_t)(cut - data);
	struct buf b = BUF(4 * JWT_TOKEN_MAX);
	struct jwt_text token;

	encode_base64url(&b, data, head);
	buf_putc(&b, '.');
	if (cut != NULL)
		encode_base64url(&b, cut + 1, size - head - 1);
	if (buf_ok(&b)) {
		crypto_auth_hmacsha256(mac, (unsigned char *)b.data, b.len,
		    (const unsigned char *)SECRET);
		buf_putc(&b, '.');
		encode_base64url(&b, mac, sizeof(mac));
		token.text = b.data;
		token.len = b.len;
		check(&token, cache);
	}
	buf_clear(&b);
}

static void
check_header(const uint8_t *data, size_t size, struct token_cache *cache)
{
	char *header = malloc(size + 1);
	struct jwt_text token;
	struct err e = { 0 };

	if (header == NULL)
		return;
	memcpy(header, data, size);
	header[size] = '\0';
	if (bearer_read(&token, header, &e) == 0) {
		if (token.text < header ||
		    token.text + token.len > header + size)
			abort();
		check(&token, cache);
	}
	free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct token_cache *cache = NULL;
	struct err e = { 0 };

	if (size < 1 || encode_init(&e) != 0 ||
	    token_cache_new(&cache, 4, &e) != 0)
		return 0;
	if (data[0] & 1)
		check_signed(data + 1, size - 1, cache);
	else
		check_header(data + 1, size - 1, cache);
	token_cache_free(cache);
	return 0;
}
