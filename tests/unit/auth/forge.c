/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "forge.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const struct jwt_key good_key = { SECRET, sizeof(SECRET) - 1, 10 };

void
forge_signature(struct buf *text, const char *secret, size_t len)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state s;

	crypto_auth_hmacsha256_init(&s, (const unsigned char *)secret, len);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text->data,
	    text->len);
	crypto_auth_hmacsha256_final(&s, mac);
	buf_putc(text, '.');
	encode_base64url(text, mac, sizeof(mac));
	assert_true(buf_ok(text));
}

void
forge_bytes(struct buf *out, const struct forgery *f)
{
	buf_reset(out);
	encode_base64url(out, f->header, f->header_len);
	buf_putc(out, '.');
	encode_base64url(out, f->payload, f->payload_len);
	forge_signature(out, f->secret, f->secret_len);
}

void
forge(struct buf *out, const char *header, const char *payload)
{
	struct forgery f = { header, strlen(header), payload, strlen(payload),
		SECRET, sizeof(SECRET) - 1 };

	forge_bytes(out, &f);
}

const char *
payload_with(long iat_in, long exp_in, const char *extra)
{
	static char text[2048];
	long now = (long)time(NULL);
	int n;

	n = snprintf(text, sizeof(text), "{\"iat\":%ld,\"exp\":%ld,%s}",
	    now + iat_in, now + exp_in, extra);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	return text;
}

static int
verify(const struct buf *token, struct jwt_claims *c, struct err *e)
{
	const struct jwt_want want = { &good_key, JWT_ACCESS };
	const struct jwt_text text = { token->data, token->len };

	return jwt_verify(c, &want, &text, e);
}

void
assert_refused(const struct buf *token, const char *text)
{
	struct jwt_claims c;
	struct err e = { 0 };

	assert_int_equal(verify(token, &c, &e), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	if (text != NULL)
		assert_string_equal(e.text, text);
}

void
assert_taken(const struct buf *token)
{
	struct jwt_claims c;
	struct err e = { 0 };
	int rc = verify(token, &c, &e);

	assert_string_equal(e.text, "");
	assert_int_equal(rc, 0);
	assert_string_equal(c.user_id, USER);
}
