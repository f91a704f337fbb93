/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "forge.h"

/* One that is taken, to be bent by the tests. */
static void
good_token(struct buf *token)
{
	forge(token, HS256, payload_with(0, 600, ACCESS));
	assert_taken(token);
}

static void
refuse_header(const char *header, const char *text)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	forge(&token, header, payload_with(0, 60, ACCESS));
	assert_refused(&token, text);
	buf_clear(&token);
}

static void
refuse_payload(const char *payload, const char *text)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	forge(&token, HS256, payload);
	assert_refused(&token, text);
	buf_clear(&token);
}

/* J2: what jwt_decode() returns 0 for is not yet a verified token. */
static void
J2_alg_none_is_refused(void **state)
{
	static const char *const spellings[] = { "none", "None", "NONE", "nOnE",
		"", "HS256 ", " HS256", "HS256\\n" };
	struct buf token = BUF(JWT_TOKEN_MAX);
	char header[64];
	char *dot;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		snprintf(header, sizeof(header),
		    "{\"alg\":\"%s\",\"typ\":\"JWT\"}", spellings[i]);
		forge(&token, header, payload_with(0, 60, ACCESS));
		assert_refused(&token,
		    "The specified alg value is not allowed");
		/* the usual form: no signature at all */
		dot = strrchr(token.data, '.');
		token.len = (size_t)(dot + 1 - token.data);
		token.data[token.len] = '\0';
		assert_refused(&token,
		    "The specified alg value is not allowed");
	}
	buf_clear(&token);
}

static void
unsigned_and_empty_signatures_are_refused(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	char *dot;

	(void)state;
	good_token(&token);
	dot = strrchr(token.data, '.');
	token.len = (size_t)(dot + 1 - token.data);
	token.data[token.len] = '\0';
	assert_refused(&token, "Signature verification failed");
	token.len--;
	token.data[token.len] = '\0';
	assert_refused(&token, "Not enough segments");
	buf_clear(&token);
}

/* J3: the header says RS256, the signature is an HMAC, and the other way
 * round; the algorithm is never the token's choice. */
static void
J3_algorithm_swaps_are_refused(void **state)
{
	static const char *const algs[] = { "HS384", "HS512", "RS256", "RS384",
		"RS512", "ES256", "ES384", "ES512", "PS256", "EdDSA" };
	char header[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		snprintf(header, sizeof(header),
		    "{\"alg\":\"%s\",\"typ\":\"JWT\"}", algs[i]);
		refuse_header(header, "The specified alg value is not allowed");
	}
	refuse_header("{\"typ\":\"JWT\"}",
	    "The specified alg value is not allowed");
	refuse_header("{\"alg\":null}",
	    "The specified alg value is not allowed");
	refuse_header("{\"alg\":256}",
	    "The specified alg value is not allowed");
	refuse_header("{\"alg\":[\"HS256\"]}",
	    "The specified alg value is not allowed");
}

/* A real HS384 token of libjwt's own making, with our secret. */
static void
J3_libjwt_hs384_is_refused(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	jwt_t *jwt = NULL;
	char *text;

	(void)state;
	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_set_alg(jwt, JWT_ALG_HS384,
			     (const unsigned char *)SECRET, sizeof(SECRET) - 1),
	    0);
	assert_int_equal(jwt_add_grants_json(jwt, payload_with(0, 60, ACCESS)),
	    0);
	text = jwt_encode_str(jwt);
	assert_non_null(text);
	buf_puts(&token, text);
	assert_refused(&token, "The specified alg value is not allowed");
	free(text);
	jwt_free(jwt);
	buf_clear(&token);
}

static void
J4_case_variants_are_refused(void **state)
{
	(void)state;
	refuse_header("{\"alg\":\"hs256\"}",
	    "The specified alg value is not allowed");
	refuse_header("{\"alg\":\"Hs256\"}",
	    "The specified alg value is not allowed");
	refuse_header("{\"ALG\":\"HS256\"}",
	    "The specified alg value is not allowed");
	refuse_header("{\"alg\":\"HS256\",\"typ\":\"jwt\"}", NULL);
	refuse_header("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", NULL);
	refuse_header("{\"alg\":\"HS256\",\"typ\":7}", NULL);
}

static void
J5_critical_and_key_headers_are_refused(void **state)
{
	static const char *const more[] = { "\"crit\":[\"exp\"]", "\"crit\":[]",
		"\"b64\":false", "\"zip\":\"DEF\"",
		"\"jku\":\"https://evil.example/keys\"",
		"\"x5u\":\"https://evil.example/cert\"", "\"x5c\":[\"MIIB\"]",
		"\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}" };
	char header[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		snprintf(header, sizeof(header), "{\"alg\":\"HS256\",%s}",
		    more[i]);
		refuse_header(header, NULL);
	}
}

static void
J6_times_are_checked(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	(void)state;
	refuse_payload(payload_with(-60, -1, ACCESS), "Token has expired");
	refuse_payload(payload_with(-60, 0, ACCESS), "Token has expired");
	refuse_payload(payload_with(60, 600, ACCESS),
	    "The token is not yet valid (iat)");
	refuse_payload(payload_with(0, 600, ACCESS ",\"nbf\":32503680000"),
	    "The token is not yet valid (nbf)");
	refuse_payload(payload_with(0, JWT_LIFE_MAX_S + 60, ACCESS),
	    "Token life is too long");
	/* within the leeway */
	forge(&token, HS256, payload_with(5, 600, ACCESS));
	assert_taken(&token);
	forge(&token, HS256, payload_with(0, 600, ACCESS ",\"nbf\":1"));
	assert_taken(&token);
	buf_clear(&token);
}

static void
J6_exp_must_be_an_integer(void **state)
{
	static const char *const forms[] = { "\"99999999999\"", "99999999999.5",
		"1e12", "99999999999.0", "true", "[1]", "{}" };
	char payload[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"iat\":1,\"exp\":%s,%s}",
		    forms[i], ACCESS);
		refuse_payload(payload,
		    "Expiration Time claim (exp) must be an integer.");
		snprintf(payload, sizeof(payload),
		    "{\"exp\":99999999999,\"iat\":%s,%s}", forms[i], ACCESS);
		refuse_payload(payload,
		    "Issued At claim (iat) must be an integer.");
		snprintf(payload, sizeof(payload), ACCESS ",\"nbf\":%s",
		    forms[i]);
		refuse_payload(payload_with(0, 60, payload),
		    "Not Before claim (nbf) must be an integer.");
	}
}

static void
J6_huge_and_negative_times_are_refused(void **state)
{
	static const char *const times[] = {
		"\"iat\":1,\"exp\":9223372036854775807",
		"\"iat\":-9223372036854775808,\"exp\":9223372036854775807",
		"\"iat\":9223372036854775807,\"exp\":9223372036854775807",
		"\"iat\":1,\"exp\":-9223372036854775808",
		"\"iat\":1,\"exp\":18446744073709551616",
	};
	char payload[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(payload, sizeof(payload), "{%s,%s}", times[i], ACCESS);
		refuse_payload(payload, NULL);
	}
}

static void
J6_missing_claims_are_refused(void **state)
{
	(void)state;
	refuse_payload("{}", "Token is missing the \"exp\" claim");
	refuse_payload("{\"iat\":1," ACCESS "}",
	    "Token is missing the \"exp\" claim");
	refuse_payload("{\"iat\":1,\"exp\":null," ACCESS "}",
	    "Token is missing the \"exp\" claim");
	refuse_payload("{\"exp\":99999999999," ACCESS "}",
	    "Token is missing the \"iat\" claim");
	refuse_payload(payload_with(0, 60, "\"user_id\":\"" USER "\""),
	    "Invalid token type. Expected access");
	refuse_payload(payload_with(0, 60, "\"type\":\"access\""),
	    "Authentication failed");
}

static void
wrong_claims_are_refused(void **state)
{
	static const char *const users[] = { "\"\"", "null", "7", "[]",
		"\"me\"", "\"11111111-2222-3333-4444-55555555555\"",
		"\"11111111-2222-3333-4444-5555555555555\"",
		"\"11111111-2222-3333-4444-55555555555g\"",
		"\"11111111-2222-3333-4444-555555555555' OR 1=1\"" };
	static const char *const types[] = { "\"Access\"", "\"access \"",
		"\"refresh\"", "1", "null", "[\"access\"]", "\"\"" };
	char extra[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		snprintf(extra, sizeof(extra),
		    "\"type\":\"access\",\"user_id\":%s", users[i]);
		refuse_payload(payload_with(0, 60, extra),
		    "Authentication failed");
	}
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(extra, sizeof(extra),
		    "\"type\":%s,\"user_id\":\"" USER "\"", types[i]);
		refuse_payload(payload_with(0, 60, extra),
		    "Invalid token type. Expected access");
	}
	refuse_payload(payload_with(0, 60, ACCESS_NO_JTI ",\"jti\":\"x\""),
	    "Authentication failed");
}

/* The contract's order: signature, expiry, type, user. */
static void
the_first_fault_is_named(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	(void)state;
	forge(&token, HS256, payload_with(-60, -1, "\"type\":\"refresh\""));
	assert_refused(&token, "Token has expired");
	token.data[token.len - 10] =
	    token.data[token.len - 10] == 'A' ? 'B' : 'A';
	assert_refused(&token, "Signature verification failed");
	forge(&token, HS256, payload_with(-60, 60, "\"type\":\"refresh\""));
	assert_refused(&token, "Invalid token type. Expected access");
	buf_clear(&token);
}

static void
J7_payloads_that_are_no_object_are_refused(void **state)
{
	static const char *const payloads[] = { "[\"a\"]", "[]", "\"a\"", "1",
		"null", "true", "", " ", "{", "{}{}", "{'a':1}", "{\"a\":NaN}",
		"{\"a\":1,}", "\xff" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
		refuse_payload(payloads[i], NULL);
	refuse_payload("[\"a\"]",
	    "Invalid payload string: must be a json object");
}

static void
J7_duplicate_members_are_refused(void **state)
{
	(void)state;
	refuse_payload(payload_with(0, 60,
			   ACCESS ",\"user_id\":\"99999999-2222-3333-4444-"
				  "555555555555\""),
	    NULL);
	refuse_payload(payload_with(0, -5, ACCESS ",\"exp\":99999999999"),
	    NULL);
	refuse_payload(payload_with(0, -5, ACCESS ",\"\\u0065xp\":99999999999"),
	    NULL);
	refuse_header("{\"alg\":\"none\",\"alg\":\"HS256\"}", NULL);
	refuse_header("{\"alg\":\"HS256\",\"alg\":\"none\"}", NULL);
}

static void
J7_nul_bytes_are_refused(void **state)
{
	static const char payload[] =
	    "{\"iat\":1,\"exp\":99999999999," ACCESS "}\0{\"x\":1}";
	static const char header[] = HS256 "\0x";
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct forgery f = { HS256, sizeof(HS256) - 1, payload,
		sizeof(payload) - 1, SECRET, sizeof(SECRET) - 1 };
	size_t i;

	(void)state;
	forge_bytes(&token, &f);
	assert_refused(&token, NULL);
	f.header = header;
	f.header_len = sizeof(header) - 1;
	f.payload_len = strlen(payload);
	forge_bytes(&token, &f);
	assert_refused(&token, NULL);
	refuse_payload(payload_with(0, 60, ACCESS ",\"a\":\"\\u0000\""), NULL);
	/* in the token itself, at every place, and behind it */
	good_token(&token);
	for (i = 0; i < token.len; i++) {
		char was = token.data[i];

		token.data[i] = '\0';
		assert_refused(&token, NULL);
		token.data[i] = was;
	}
	assert_taken(&token);
	buf_add(&token, "\0", 1);
	assert_refused(&token, NULL);
	buf_clear(&token);
}

/* J8: libjwt skips foreign characters, so one token had many spellings. */
static void
J8_other_spellings_are_refused(void **state)
{
	static const char foreign[] = "!*+/=\n\r\t \x80.%~";
	struct buf token = BUF(JWT_TOKEN_MAX), bent = BUF(JWT_TOKEN_MAX);
	size_t at, k;

	(void)state;
	good_token(&token);
	for (at = 0; at <= token.len; at++)
		for (k = 0; k < sizeof(foreign) - 1; k++) {
			buf_reset(&bent);
			buf_add(&bent, token.data, at);
			buf_putc(&bent, foreign[k]);
			buf_add(&bent, token.data + at, token.len - at);
			assert_refused(&bent, NULL);
		}
	buf_clear(&bent);
	buf_clear(&token);
}

/* J8: the last letter of 32 bytes has two bits that mean nothing. */
static void
J8_stray_bits_are_refused(void **state)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct buf token = BUF(JWT_TOKEN_MAX);
	char was;
	size_t i;

	(void)state;
	good_token(&token);
	was = token.data[token.len - 1];
	for (i = 0; i < sizeof(letters) - 1; i++) {
		token.data[token.len - 1] = letters[i];
		if (letters[i] == was)
			assert_taken(&token);
		else
			assert_refused(&token, NULL);
	}
	buf_clear(&token);
}

static void
every_flipped_bit_is_refused(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	size_t i;
	int bit;

	(void)state;
	good_token(&token);
	for (i = 0; i < token.len; i++)
		for (bit = 0; bit < 8; bit++) {
			token.data[i] = (char)(token.data[i] ^ (1 << bit));
			assert_refused(&token, NULL);
			token.data[i] = (char)(token.data[i] ^ (1 << bit));
		}
	assert_taken(&token);
	buf_clear(&token);
}

static void
every_truncation_is_refused(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX), part = BUF(JWT_TOKEN_MAX);
	size_t i;

	(void)state;
	good_token(&token);
	for (i = 0; i < token.len; i++) {
		buf_reset(&part);
		buf_add(&part, token.data, i);
		assert_refused(&part, NULL);
		buf_reset(&part);
		buf_add(&part, token.data + i + 1, token.len - i - 1);
		assert_refused(&part, NULL);
	}
	buf_clear(&part);
	buf_clear(&token);
}

static void
another_secret_is_refused(void **state)
{
	static const char other[] = "ffffffffffffffffffffffffffffffff";
	const char *payload = payload_with(0, 60, ACCESS);
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct forgery f = { HS256, sizeof(HS256) - 1, payload, strlen(payload),
		other, sizeof(other) - 1 };

	(void)state;
	forge_bytes(&token, &f);
	assert_refused(&token, "Signature verification failed");
	f.secret_len = 0;
	forge_bytes(&token, &f);
	assert_refused(&token, "Signature verification failed");
	f.secret = SECRET;
	f.secret_len = sizeof(SECRET); /* with its NUL: HMAC pads with NULs,
					  so this key is the same key */
	forge_bytes(&token, &f);
	assert_taken(&token);
	f.secret_len = sizeof(SECRET) - 2;
	forge_bytes(&token, &f);
	assert_refused(&token, "Signature verification failed");
	buf_clear(&token);
}

static void
J10_huge_tokens_are_refused(void **state)
{
	struct buf token = BUF(16 << 20);
	size_t i;

	(void)state;
	for (i = 0; i < (size_t)4 << 20; i++)
		buf_putc(&token, 'A');
	assert_refused(&token, "Token is too long");
	token.len = JWT_TOKEN_MAX + 1;
	assert_refused(&token, "Token is too long");
	token.len = JWT_TOKEN_MAX;
	assert_refused(&token, "Not enough segments");
	buf_reset(&token);
	for (i = 0; i < JWT_TOKEN_MAX; i++)
		buf_putc(&token, '.');
	assert_refused(&token, NULL);
	buf_clear(&token);
}

static void
texts_for_what_is_no_token(void **state)
{
	static const char *const bad[][2] = {
		{ "", "Not enough segments" },
		{ "garbage", "Not enough segments" },
		{ "a.b", "Not enough segments" },
		{ "a.b.c", "Invalid header padding" },
		{ "eyJhbGciOiJIUzI1NiJ9.a.c", "Invalid payload padding" },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.c", "Invalid crypto padding" },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA.AA", "Invalid crypto padding" },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA",
		    "Signature verification failed" },
		{ "AAAA.e30.AA", "Invalid header string: not strict JSON" },
		{ "W10.e30.AA",
		    "Invalid header string: must be a json object" },
	};
	struct buf token = BUF(JWT_TOKEN_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_reset(&token);
		buf_puts(&token, bad[i][0]);
		assert_refused(&token, bad[i][1]);
	}
	buf_clear(&token);
}

static int
set_up(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(J2_alg_none_is_refused),
		cmocka_unit_test(unsigned_and_empty_signatures_are_refused),
		cmocka_unit_test(J3_algorithm_swaps_are_refused),
		cmocka_unit_test(J3_libjwt_hs384_is_refused),
		cmocka_unit_test(J4_case_variants_are_refused),
		cmocka_unit_test(J5_critical_and_key_headers_are_refused),
		cmocka_unit_test(J6_times_are_checked),
		cmocka_unit_test(J6_exp_must_be_an_integer),
		cmocka_unit_test(J6_huge_and_negative_times_are_refused),
		cmocka_unit_test(J6_missing_claims_are_refused),
		cmocka_unit_test(wrong_claims_are_refused),
		cmocka_unit_test(the_first_fault_is_named),
		cmocka_unit_test(J7_payloads_that_are_no_object_are_refused),
		cmocka_unit_test(J7_duplicate_members_are_refused),
		cmocka_unit_test(J7_nul_bytes_are_refused),
		cmocka_unit_test(J8_other_spellings_are_refused),
		cmocka_unit_test(J8_stray_bits_are_refused),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(another_secret_is_refused),
		cmocka_unit_test(J10_huge_tokens_are_refused),
		cmocka_unit_test(texts_for_what_is_no_token),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
