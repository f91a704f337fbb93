#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "auth/api_token.h"
#include "auth/jwks.h"
#include "keys.h"
#include "util/encode.h"

static struct evp_pkey_st *rsa, *rsa1024, *ec, *ec384;

/* Empties *b and writes a set of these keys' texts, NULL last. */
static void
set_of(struct buf *b, const char *first, ...)
{
	va_list ap;

	buf_reset(b);
	buf_puts(b, "{\"keys\":[");
	va_start(ap, first);
	for (const char *k = first; k != NULL; k = va_arg(ap, const char *))
		buf_addf(b, "%s%s", k == first ? "" : ",", k);
	va_end(ap);
	buf_puts(b, "]}");
}

static const char *
jwk(struct evp_pkey_st *key, const char *extra)
{
	static struct buf ring[4] = { BUF(8192), BUF(8192), BUF(8192),
		BUF(8192) };
	static unsigned int at;
	struct buf *b = &ring[at++ % 4];

	buf_reset(b);
	key_jwk(b, key, extra);
	return b->data;
}

/* How many usable keys a set has; -1: it is refused. */
static int
count(const char *text)
{
	struct jwks *set;
	struct err e = { 0 };
	int n;

	if (jwks_read(&set, text, strlen(text), &e) != 0) {
		assert_int_equal(e.kind, ERR_INVALID);
		return -1;
	}
	n = (int)jwks_count(set);
	jwks_free(set);
	return n;
}

static int
count_one(struct evp_pkey_st *key, const char *extra)
{
	struct buf b = BUF(16384);
	int n;

	set_of(&b, jwk(key, extra), NULL);
	n = count(b.data);
	buf_clear(&b);
	return n;
}

static void
takes_what_can_sign(void **state)
{
	(void)state;
	assert_int_equal(count_one(rsa, ",\"kid\":\"a\""), 1);
	assert_int_equal(count_one(ec, ",\"kid\":\"a\""), 1);
	assert_int_equal(count_one(rsa, ",\"use\":\"sig\",\"alg\":\"RS256\""),
	    1);
	assert_int_equal(count_one(ec, ",\"key_ops\":[\"verify\"]"), 1);
}

static void
passes_over_the_rest(void **state)
{
	(void)state;
	assert_int_equal(count_one(rsa, ",\"use\":\"enc\""), 0);
	assert_int_equal(count_one(rsa, ",\"alg\":\"RS512\""), 0);
	assert_int_equal(count_one(rsa, ",\"alg\":\"ES256\""), 0);
	assert_int_equal(count_one(rsa, ",\"alg\":\"HS256\""), 0);
	assert_int_equal(count_one(ec, ",\"key_ops\":[\"encrypt\"]"), 0);
	assert_int_equal(count_one(ec, ",\"kid\":7"), 0);
	assert_int_equal(count("{\"keys\":[]}"), 0);
	assert_int_equal(count("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"),
	    0);
	assert_int_equal(
	    count("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}]}"), 0);
}

static void
J9_weak_keys_are_none(void **state)
{
	(void)state;
	assert_int_equal(count_one(rsa1024, ""), 0);
	assert_int_equal(count_one(ec384, ""), 0);
	assert_int_equal(count("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}"),
	    0);
	/* A point that is not on the curve. */
	assert_int_equal(
	    count("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
		  "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
		  "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}"),
	    0);
}

static void
refuses_what_is_no_key_set(void **state)
{
	static const char *const texts[] = { "", "[]", "null", "{}",
		"{\"keys\":{}}", "{\"keys\":[7]}", "{\"keys\":[],\"keys\":[]}",
		"{\"keys\":[]}x" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(count(texts[i]), -1);
	assert_int_equal(count_one(rsa, ",\"d\":\"AAAA\""), -1);
	assert_int_equal(count_one(ec, ",\"d\":\"AAAA\""), -1);
}

static void
refuses_two_keys_of_one_name(void **state)
{
	struct buf b = BUF(16384);
	struct evp_pkey_st *other = key_ec("P-256");

	(void)state;
	set_of(&b, jwk(ec, ",\"kid\":\"a\""), jwk(other, ",\"kid\":\"a\""),
	    NULL);
	assert_int_equal(count(b.data), -1);
	set_of(&b, jwk(ec, ",\"kid\":\"a\""), jwk(other, ",\"kid\":\"b\""),
	    jwk(rsa, ",\"kid\":\"a\""), NULL);
	assert_int_equal(count(b.data), 3);
	key_free(other);
	buf_clear(&b);
}

static void
finds_by_kid_and_algorithm(void **state)
{
	struct buf b = BUF(16384), pem = BUF(4096);
	struct jwks *set;
	struct err e = { 0 };
	const char *found;
	size_t len;

	(void)state;
	set_of(&b, jwk(rsa, ",\"kid\":\"r\""), jwk(ec, ",\"kid\":\"e\""), NULL);
	assert_int_equal(jwks_read(&set, b.data, b.len, &e), 0);
	assert_null(jwks_find(set, "r", "ES256"));
	assert_null(jwks_find(set, "e", "RS256"));
	assert_null(jwks_find(set, "", "RS256"));
	assert_null(jwks_find(set, "r", "HS256"));
	assert_null(jwks_find(set, "r", "rs256"));
	assert_null(jwks_find(set, "r", "none"));
	assert_ptr_equal(jwks_find(set, NULL, "RS256"),
	    jwks_find(set, "r", "RS256"));
	key_pem(&pem, rsa);
	found = jwk_pem(jwks_find(set, "r", "RS256"), &len);
	assert_int_equal(len, pem.len);
	assert_memory_equal(found, pem.data, len);
	jwks_free(set);
	buf_clear(&b);
	buf_clear(&pem);
}

static void
J3_without_kid_only_a_single_key_serves(void **state)
{
	struct evp_pkey_st *other = key_ec("P-256");
	struct buf b = BUF(16384);
	struct jwks *set;
	struct err e = { 0 };

	(void)state;
	set_of(&b, jwk(ec, ",\"kid\":\"a\""), jwk(other, ",\"kid\":\"b\""),
	    NULL);
	assert_int_equal(jwks_read(&set, b.data, b.len, &e), 0);
	assert_null(jwks_find(set, NULL, "ES256"));
	jwks_free(set);
	key_free(other);
	buf_clear(&b);
}

/* Merges, and says which of the kids "a" (EC) and "r" (RSA) are there. */
static int
merged(struct buf *kept, const char *fresh, int64_t now_s)
{
	struct buf out = BUF(JWKS_TEXT_MAX);
	const struct jwks_merge m = { .fresh = fresh,
		.fresh_len = strlen(fresh),
		.old = kept->data,
		.old_len = kept->len,
		.now_s = now_s,
		.keep_s = 100 };
	struct jwks *set;
	struct err e = { 0 };
	int there;

	assert_int_equal(jwks_merge(&out, &m, &e), 0);
	assert_int_equal(jwks_read(&set, out.data, out.len, &e), 0);
	there = (jwks_find(set, "a", "ES256") != NULL) +
	    2 * (jwks_find(set, "r", "RS256") != NULL);
	jwks_free(set);
	buf_clear(kept);
	*kept = out;
	return there;
}

static void
an_old_key_stays_through_a_rotation(void **state)
{
	struct buf a = BUF(8192), r = BUF(8192), kept = BUF(1);

	(void)state;
	set_of(&a, jwk(ec, ",\"kid\":\"a\""), NULL);
	set_of(&r, jwk(rsa, ",\"kid\":\"r\",\"x5t\":\"z\""), NULL);
	assert_int_equal(merged(&kept, a.data, 1000), 1);
	assert_int_equal(merged(&kept, r.data, 1010), 3);
	assert_int_equal(merged(&kept, r.data, 1109), 3);
	assert_int_equal(merged(&kept, r.data, 1110), 2);
	assert_null(strstr(kept.data, "x5t"));
	/* Back again, and gone again: the time begins anew. */
	assert_int_equal(merged(&kept, a.data, 2000), 3);
	assert_int_equal(merged(&kept, r.data, 2050), 3);
	assert_int_equal(merged(&kept, r.data, 2149), 3);
	buf_clear(&a);
	buf_clear(&r);
	buf_clear(&kept);
}

static void
a_merge_makes_no_key_usable_that_was_not(void **state)
{
	struct buf b = BUF(8192), kept = BUF(1);

	(void)state;
	set_of(&b, jwk(ec, ",\"kid\":\"a\",\"key_ops\":[\"sign\"]"),
	    jwk(rsa, ",\"kid\":\"r\",\"use\":\"enc\""), NULL);
	assert_int_equal(merged(&kept, b.data, 1000), 0);
	buf_clear(&b);
	buf_clear(&kept);
}

static void
api_tokens_have_one_spelling(void **state)
{
	uint8_t hash[SHA256_BYTES], again[SHA256_BYTES];
	char token[API_TOKEN_TEXT], bad[API_TOKEN_TEXT + 1];

	(void)state;
	api_token_make(token, hash);
	assert_int_equal(strlen(token), API_TOKEN_TEXT - 1);
	assert_true(api_token_hash(again, token, strlen(token)));
	assert_memory_equal(hash, again, sizeof(hash));
	/* 43 characters carry two bits more than 32 bytes: they are zero. */
	memcpy(bad, token, sizeof(token));
	bad[45] = bad[45] == 'B' ? 'C' : 'B';
	assert_false(api_token_hash(again, bad, 46));
	assert_false(api_token_hash(again, token, 45));
	(void)snprintf(bad, sizeof(bad), "%sA", token);
	assert_false(api_token_hash(again, bad, 47));
	memcpy(bad, token, sizeof(token));
	bad[10] = '+';
	assert_false(api_token_hash(again, bad, 46));
	bad[10] = '=';
	assert_false(api_token_hash(again, bad, 46));
	memcpy(bad, "TM_", 3);
	assert_false(api_token_claims(bad, 46));
	assert_false(api_token_hash(again, "", 0));
}

static void
session_ids_differ(void **state)
{
	char a[SESSION_ID_TEXT], b[SESSION_ID_TEXT];
	uint8_t hash[SHA256_BYTES], again[SHA256_BYTES];

	(void)state;
	session_id_make(a, again);
	session_id_make(b, hash);
	assert_string_not_equal(a, b);
	assert_true(session_id_hash(again, b, strlen(b)));
	assert_memory_equal(hash, again, sizeof(hash));
	assert_false(session_id_hash(again, b, strlen(b) - 1));
}

static int
make_keys(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(encode_init(&e), 0);
	rsa = key_rsa(2048);
	rsa1024 = key_rsa(1024);
	ec = key_ec("P-256");
	ec384 = key_ec("P-384");
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	key_free(rsa);
	key_free(rsa1024);
	key_free(ec);
	key_free(ec384);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_can_sign),
		cmocka_unit_test(passes_over_the_rest),
		cmocka_unit_test(J9_weak_keys_are_none),
		cmocka_unit_test(refuses_what_is_no_key_set),
		cmocka_unit_test(refuses_two_keys_of_one_name),
		cmocka_unit_test(finds_by_kid_and_algorithm),
		cmocka_unit_test(J3_without_kid_only_a_single_key_serves),
		cmocka_unit_test(an_old_key_stays_through_a_rotation),
		cmocka_unit_test(a_merge_makes_no_key_usable_that_was_not),
		cmocka_unit_test(api_tokens_have_one_spelling),
		cmocka_unit_test(session_ids_differ),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
