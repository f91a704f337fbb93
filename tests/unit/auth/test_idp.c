#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/idp.h"
#include "forge.h"
#include "keys.h"
#include "util/encode.h"

#define ISSUER "https://idp.example/"
#define AUDIENCE "taskmill"
#define RS "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\"}"
#define ES "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"e\"}"
#define GOOD                                                       \
	"\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"sub\":" \
	"\"ada\""

static struct evp_pkey_st *rsa, *ec, *strange_rsa, *strange_ec;
static struct jwks *keys;
static struct buf rsa_pem = BUF(4096), token = BUF(16384);

static struct idp
by_keys(void)
{
	return (struct idp){ .issuer = ISSUER,
		.audience = AUDIENCE,
		.keys = keys,
		.leeway_s = 10 };
}

static struct idp
by_secret(const char *secret)
{
	return (struct idp){ .issuer = ISSUER,
		.audience = AUDIENCE,
		.secret = secret,
		.secret_len = strlen(secret),
		.leeway_s = 10 };
}

static int
verify(const struct idp *idp, struct err *e, bool *new_key)
{
	const struct jwt_text text = { token.data, token.len };
	struct idp_claims claims = { 0 };

	*e = (struct err){ 0 };
	if (idp_verify(&claims, idp, &text, new_key, e) != 0)
		return -1;
	assert_string_equal(claims.subject, "ada");
	assert_true(claims.exp > 0);
	return 0;
}

static void
refused_by(const struct idp *idp, const char *text)
{
	struct err e;
	bool new_key;

	assert_int_equal(verify(idp, &e, &new_key), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	if (text != NULL)
		assert_string_equal(e.text, text);
}

static void
refused(const char *text)
{
	struct idp idp = by_keys();

	refused_by(&idp, text);
}

static void
taken(void)
{
	struct idp idp = by_keys();
	struct err e;
	bool new_key;

	assert_int_equal(verify(&idp, &e, &new_key), 0);
}

/* Payload with good times and these members, signed as both kinds. */
static void
refused_in_both(const char *members, long iat_in, long exp_in, const char *text)
{
	const char *payload = payload_with(iat_in, exp_in, members);

	key_sign(&token, rsa, RS, payload);
	refused(text);
	key_sign(&token, ec, ES, payload);
	refused(text);
}

static void
good_tokens_are_taken(void **state)
{
	struct idp idp = by_secret(SECRET);
	struct err e;
	bool new_key;

	(void)state;
	key_sign(&token, rsa, RS, payload_with(0, 60, GOOD));
	taken();
	key_sign(&token, ec, ES, payload_with(0, 60, GOOD));
	taken();
	/* One key for each algorithm: the kid may be left out. */
	key_sign(&token, ec, "{\"alg\":\"ES256\"}", payload_with(0, 60, GOOD));
	taken();
	forge(&token, HS256, payload_with(0, 60, GOOD));
	assert_int_equal(verify(&idp, &e, &new_key), 0);
}

static void
audience_may_be_a_list(void **state)
{
	(void)state;
	key_sign(&token, ec, ES,
	    payload_with(0, 60,
		"\"iss\":\"" ISSUER "\",\"sub\":\"ada\","
		"\"aud\":[\"x\",\"" AUDIENCE "\"]"));
	taken();
}

static void
iat_may_be_missing(void **state)
{
	char payload[400];

	(void)state;
	(void)snprintf(payload, sizeof(payload), "{" GOOD ",\"exp\":%ld}",
	    (long)time(NULL) + 60);
	key_sign(&token, rsa, RS, payload);
	taken();
}

/* No key, or an empty one, is no permission. */
static void
J1_no_key_is_no_permission(void **state)
{
	struct idp none = by_keys(), empty = by_secret(""),
		   shorter = by_secret("0123456789abcdef");
	struct err e;
	bool new_key;

	(void)state;
	none.keys = NULL;
	key_sign(&token, rsa, RS, payload_with(0, 60, GOOD));
	assert_int_equal(verify(&none, &e, &new_key), -1);
	assert_true(new_key);
	forge(&token, HS256, payload_with(0, 60, GOOD));
	assert_int_equal(verify(&empty, &e, &new_key), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(verify(&shorter, &e, &new_key), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

static void
J2_none_is_no_algorithm(void **state)
{
	static const char *const algs[] = { "none", "None", "NONE", "" };
	struct idp secret = by_secret(SECRET);
	char header[80];

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		(void)snprintf(header, sizeof(header), "{\"alg\":\"%s\"}",
		    algs[i]);
		key_sign(&token, rsa, header, payload_with(0, 60, GOOD));
		refused("The specified alg value is not allowed");
		refused_by(&secret, "The specified alg value is not allowed");
		*strrchr(token.data, '.') = '\0';
		token.len = strlen(token.data);
		buf_putc(&token, '.');
		refused("The specified alg value is not allowed");
		refused_by(&secret, "The specified alg value is not allowed");
	}
}

/* The public key's text as an HMAC secret, the classic. */
static void
J3_public_key_as_secret(void **state)
{
	struct idp secret = by_secret(rsa_pem.data);

	(void)state;
	forge_bytes(&token,
	    &(struct forgery){ RS, strlen(RS), payload_with(0, 60, GOOD),
		strlen(payload_with(0, 60, GOOD)), rsa_pem.data, rsa_pem.len });
	refused("Signature verification failed");
	forge_bytes(&token,
	    &(struct forgery){ HS256, strlen(HS256), payload_with(0, 60, GOOD),
		strlen(payload_with(0, 60, GOOD)), rsa_pem.data, rsa_pem.len });
	refused("The specified alg value is not allowed");
	/* And the other way about: RS256 where a secret is configured. */
	key_sign(&token, rsa, RS, payload_with(0, 60, GOOD));
	refused_by(&secret, "The specified alg value is not allowed");
}

static void
J3_a_kid_is_of_one_algorithm(void **state)
{
	(void)state;
	key_sign(&token, ec, "{\"alg\":\"ES256\",\"kid\":\"r\"}",
	    payload_with(0, 60, GOOD));
	refused("The token's key is not known");
	key_sign(&token, rsa, "{\"alg\":\"RS256\",\"kid\":\"e\"}",
	    payload_with(0, 60, GOOD));
	refused("The token's key is not known");
	key_sign(&token, ec, RS, payload_with(0, 60, GOOD));
	refused("Signature verification failed");
	key_sign(&token, rsa, "{\"alg\":\"RS256\",\"kid\":7}",
	    payload_with(0, 60, GOOD));
	refused("Invalid header string: kid must be a string");
	key_sign(&token, rsa, "{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}",
	    payload_with(0, 60, GOOD));
	refused("The token's key is not known");
}

static void
strangers_cannot_sign(void **state)
{
	(void)state;
	key_sign(&token, strange_rsa, RS, payload_with(0, 60, GOOD));
	refused("Signature verification failed");
	key_sign(&token, strange_ec, ES, payload_with(0, 60, GOOD));
	refused("Signature verification failed");
}

static void
J4_names_are_exact(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"rs256\",\"kid\":\"r\"}",
		"{\"alg\":\"RS256 \",\"kid\":\"r\"}",
		"{\"alg\":\"RS384\",\"kid\":\"r\"}",
		"{\"alg\":\"RS512\",\"kid\":\"r\"}",
		"{\"alg\":\"PS256\",\"kid\":\"r\"}",
		"{\"alg\":[\"RS256\"],\"kid\":\"r\"}",
		"{\"kid\":\"r\"}",
		"{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"jwt\"}",
		"{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"RS256\",\"kid\":\"R\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		key_sign(&token, rsa, headers[i], payload_with(0, 60, GOOD));
		refused(NULL);
	}
}

static void
J5_headers_that_change_the_meaning(void **state)
{
	static const char *const extra[] = { "\"crit\":[\"exp\"]",
		"\"b64\":false", "\"zip\":\"DEF\"",
		"\"jku\":\"https://evil.example/\"",
		"\"x5u\":\"https://evil.example/\"", "\"jwk\":{}",
		"\"x5c\":[\"AAAA\"]" };
	char header[200];

	(void)state;
	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"ES256\",\"kid\":\"e\",%s}", extra[i]);
		key_sign(&token, ec, header, payload_with(0, 60, GOOD));
		refused(NULL);
	}
}

static void
J6_times(void **state)
{
	static const char *const bad[] = { "\"exp\":\"9999999999\"",
		"\"exp\":9999999999.5", "\"exp\":true", "\"exp\":null" };
	char payload[400];

	(void)state;
	refused_in_both(GOOD, -100, 0, "Token has expired");
	refused_in_both(GOOD, 60, 120, "The token is not yet valid (iat)");
	refused_in_both(GOOD ",\"nbf\":9999999999", 0, 60,
	    "The token is not yet valid (nbf)");
	refused_in_both(GOOD ",\"nbf\":\"1\"", 0, 60, NULL);
	refused_in_both(GOOD, 0, 400L * 86400, "Token life is too long");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(payload, sizeof(payload), "{" GOOD ",%s}",
		    bad[i]);
		key_sign(&token, ec, ES, payload);
		refused(NULL);
	}
}

static void
J6_claims(void **state)
{
	(void)state;
	refused_in_both("\"iss\":\"https://idp.example\",\"aud\":\"" AUDIENCE
			"\",\"sub\":\"ada\"",
	    0, 60, "Invalid issuer");
	refused_in_both("\"aud\":\"" AUDIENCE "\",\"sub\":\"ada\"", 0, 60,
	    "Invalid issuer");
	refused_in_both("\"iss\":\"" ISSUER "\",\"sub\":\"ada\"", 0, 60,
	    "Invalid audience");
	refused_in_both("\"iss\":\"" ISSUER
			"\",\"aud\":\"taskmill2\",\"sub\":\"ada\"",
	    0, 60, "Invalid audience");
	refused_in_both("\"iss\":\"" ISSUER
			"\",\"aud\":[\"a\",7],\"sub\":\"ada\"",
	    0, 60, "Invalid audience");
	refused_in_both("\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\"", 0,
	    60, "Invalid subject");
	refused_in_both("\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
			"\",\"sub\":\"\"",
	    0, 60, "Invalid subject");
	refused_in_both("\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE
			"\",\"sub\":7",
	    0, 60, "Invalid subject");
}

static void
J7_payload_is_strict(void **state)
{
	static const char *const payloads[] = { "[\"a\"]", "null", "7", "",
		"{" GOOD ",\"exp\":99999999999,\"sub\":\"eve\"}",
		"{\"a\\u0000b\":1}" };

	(void)state;
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		key_sign(&token, rsa, RS, payloads[i]);
		refused(NULL);
		key_sign(&token, ec, ES, payloads[i]);
		refused(NULL);
	}
}

static void
J8_one_spelling(void **state)
{
	static const char *const tails[] = { "=", "!", "*", ".", ".x", "A",
		"\n" };
	struct evp_pkey_st *pair[] = { rsa, ec };
	const char *header[] = { RS, ES };

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
			key_sign(&token, pair[k], header[k],
			    payload_with(0, 60, GOOD));
			buf_puts(&token, tails[i]);
			refused(NULL);
		}
		key_sign(&token, pair[k], header[k], payload_with(0, 60, GOOD));
		token.data[token.len - 8] ^= 1;
		refused(NULL);
	}
}

/* A DER signature, as OpenSSL writes it, is not one of a token. */
static void
J8_signature_of_another_form(void **state)
{
	(void)state;
	key_sign(&token, ec, ES, payload_with(0, 60, GOOD));
	token.len -= 2;
	token.data[token.len] = '\0';
	refused("Signature verification failed");
}

static void
J10_too_long(void **state)
{
	char payload[9000];
	int n;

	(void)state;
	n = snprintf(payload, sizeof(payload), "{" GOOD ",\"exp\":%ld,\"x\":\"",
	    (long)time(NULL) + 60);
	memset(payload + n, 'x', sizeof(payload) - (size_t)n);
	memcpy(payload + sizeof(payload) - 3, "\"}", 3);
	key_sign(&token, rsa, RS, payload);
	refused("Token is too long");
}

/* Our own tokens and the provider's are not each other's. */
static void
our_own_token_is_no_proof(void **state)
{
	struct idp idp = by_secret(SECRET);

	(void)state;
	forge(&token, HS256, payload_with(0, 60, ACCESS));
	refused_by(&idp, "Invalid issuer");
	forge(&token, HS256, payload_with(0, 60, GOOD));
	assert_refused(&token, NULL);
}

static int
set_up(void **state)
{
	struct buf b = BUF(16384);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(encode_init(&e), 0);
	rsa = key_rsa(2048);
	strange_rsa = key_rsa(2048);
	ec = key_ec("P-256");
	strange_ec = key_ec("P-256");
	key_pem(&rsa_pem, rsa);
	buf_puts(&b, "{\"keys\":[");
	key_jwk(&b, rsa, ",\"kid\":\"r\"");
	buf_putc(&b, ',');
	key_jwk(&b, ec, ",\"kid\":\"e\"");
	buf_puts(&b, "]}");
	assert_int_equal(jwks_read(&keys, b.data, b.len, &e), 0);
	buf_clear(&b);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	jwks_free(keys);
	key_free(rsa);
	key_free(strange_rsa);
	key_free(ec);
	key_free(strange_ec);
	buf_clear(&rsa_pem);
	buf_clear(&token);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tokens_are_taken),
		cmocka_unit_test(audience_may_be_a_list),
		cmocka_unit_test(iat_may_be_missing),
		cmocka_unit_test(J1_no_key_is_no_permission),
		cmocka_unit_test(J2_none_is_no_algorithm),
		cmocka_unit_test(J3_public_key_as_secret),
		cmocka_unit_test(J3_a_kid_is_of_one_algorithm),
		cmocka_unit_test(strangers_cannot_sign),
		cmocka_unit_test(J4_names_are_exact),
		cmocka_unit_test(J5_headers_that_change_the_meaning),
		cmocka_unit_test(J6_times),
		cmocka_unit_test(J6_claims),
		cmocka_unit_test(J7_payload_is_strict),
		cmocka_unit_test(J8_one_spelling),
		cmocka_unit_test(J8_signature_of_another_form),
		cmocka_unit_test(J10_too_long),
		cmocka_unit_test(our_own_token_is_no_proof),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
