#ifndef TESTS_AUTH_FORGE_H
#define TESTS_AUTH_FORGE_H

#include <stddef.h>

#include "auth/jwt.h"
#include "util/buf.h"

/*
 * forge: tokens that jwt_issue() would never make, signed by libsodium and not
 * by libjwt, so that the two check each other.
 */
#define SECRET "0123456789abcdef0123456789abcdef"
#define USER "11111111-2222-3333-4444-555555555555"
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

extern const struct jwt_key good_key;

/* Empties *out and writes base64url(header).base64url(payload).signature. */
void forge(struct buf *out, const char *header, const char *payload);

/* The same from bytes with their own key. */
struct forgery {
	const char *header;
	size_t header_len;
	const char *payload;
	size_t payload_len;
	const char *secret;
	size_t secret_len;
};
void forge_bytes(struct buf *out, const struct forgery *f);

/* Signs text (header "." payload) and appends "." and the signature. */
void forge_signature(struct buf *text, const char *secret, size_t len);

/*
 * A payload with times relative to now, in a static buffer: iat = now +
 * iat_in, exp = now + exp_in; extra is put before the closing brace.
 */
const char *payload_with(long iat_in, long exp_in, const char *extra);

/* payload_with() for a good access token and its user. */
#define ACCESS_NO_JTI "\"type\":\"access\",\"user_id\":\"" USER "\""
#define ACCESS                      \
	ACCESS_NO_JTI ",\"jti\":\"" \
		      "5a3e0f6c-7d0b-4d56-9d5e-1f0a9b7c2e11\""

/* Verifies *token; asserts that it is refused, with this text (NULL: any). */
void assert_refused(const struct buf *token, const char *text);

/* Verifies *token as an access token; asserts that it is taken. */
void assert_taken(const struct buf *token);

#endif
