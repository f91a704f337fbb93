/*
 * Key sets as an identity provider sends them, and tokens held against them.
 * The input is a set, cut at the first 0xFE from a token. A set that is read
 * must come out of a merge with itself as large as it was, and no token that
 * was not signed may be taken.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/idp.h"
#include "auth/jwks.h"
#include "util/encode.h"
#include "util/utf8.h"

#define CUT 0xFE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_error(const struct err *e)
{
	/* the text goes into a JSON answer */
	if (e->kind == ERR_NONE || !utf8_valid(e->text, strlen(e->text)))
		abort();
}

/* What was kept is what was there. */
static void
check_merge(const char *text, size_t len, size_t count)
{
	struct buf out = BUF(2 * JWKS_TEXT_MAX);
	const struct jwks_merge m = { .fresh = text,
		.fresh_len = len,
		.now_s = 1000,
		.keep_s = 10 };
	struct err e = { 0 };
	struct jwks *again;

	if (jwks_merge(&out, &m, &e) == 0) {
		if (jwks_read(&again, out.data, out.len, &e) != 0 ||
		    jwks_count(again) != count)
			abort();
		jwks_free(again);
	} else
		check_error(&e);
	buf_clear(&out);
}

/* Nobody here has a private key. */
static void
check_token(const struct jwks *set, const char *text, size_t len)
{
	const struct idp idp = { .issuer = "https://idp.example/",
		.audience = "taskmill",
		.keys = set,
		.leeway_s = 10 };
	const struct jwt_text token = { text, len };
	struct idp_claims claims;
	struct err e = { 0 };
	bool new_key;

	if (idp_verify(&claims, &idp, &token, &new_key, &e) == 0)
		abort();
	check_error(&e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, CUT, size) : NULL;
	size_t len = cut != NULL ? (size_t)(cut - data) : size;
	const char *text = size > 0 ? (const char *)data : "";
	struct jwks *set = NULL;
	struct err e = { 0 };

	if (encode_init(&e) != 0)
		abort();
	if (jwks_read(&set, text, len, &e) == 0)
		check_merge(text, len, jwks_count(set));
	else
		check_error(&e);
	if (cut != NULL)
		check_token(set, text + len + 1, size - len - 1);
	jwks_free(set);
	return 0;
}
