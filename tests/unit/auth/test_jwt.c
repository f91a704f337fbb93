/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/jwt.h"
#include "forge.h"

static int
issue(struct buf *token, struct jwt_claims *c, enum jwt_type type)
{
	struct err e = { 0 };

	buf_reset(token);
	memset(c, 0, sizeof(*c));
	c->type = type;
	memcpy(c->user_id, USER, sizeof(USER));
	return jwt_issue(token, c, &good_key, 3600, &e);
}

static void
issued_token_verifies(void **state)
{
	const struct jwt_want want = { &good_key, JWT_ACCESS };
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct jwt_claims made, found = { 0 };
	struct jwt_text text;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(issue(&token, &made, JWT_ACCESS), 0);
	text.text = token.data;
	text.len = token.len;
	assert_int_equal(jwt_verify(&found, &want, &text, &e), 0);
	assert_int_equal(found.type, JWT_ACCESS);
	assert_string_equal(found.user_id, USER);
	assert_string_equal(found.jti, made.jti);
	assert_int_equal(strlen(found.jti), UUID_TEXT - 1);
	assert_int_equal(found.iat, made.iat);
	assert_int_equal(found.exp, made.iat + 3600);
	assert_true(labs((long)(found.iat - time(NULL))) < 5);
	buf_clear(&token);
}

/* The contract's header and claims, read by json-c beside libjwt's jansson:
 * J11, two JSON libraries in one process. */
static void
J11_claims_are_the_contracts(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX), text = BUF(JWT_TOKEN_MAX);
	struct json_object *o, *v;
	struct jwt_claims c;
	char *dot, *dot2;

	(void)state;
	assert_int_equal(issue(&token, &c, JWT_REFRESH), 0);
	dot = strchr(token.data, '.');
	dot2 = strchr(dot + 1, '.');
	assert_true(
	    decode_base64url(&text, token.data, (size_t)(dot - token.data)));
	o = json_tokener_parse(text.data);
	assert_int_equal(json_object_object_length(o), 2);
	assert_true(json_object_object_get_ex(o, "alg", &v));
	assert_string_equal(json_object_get_string(v), "HS256");
	assert_true(json_object_object_get_ex(o, "typ", &v));
	assert_string_equal(json_object_get_string(v), "JWT");
	json_object_put(o);
	buf_reset(&text);
	assert_true(decode_base64url(&text, dot + 1, (size_t)(dot2 - dot - 1)));
	o = json_tokener_parse(text.data);
	assert_int_equal(json_object_object_length(o), 5);
	assert_true(json_object_object_get_ex(o, "user_id", &v));
	assert_string_equal(json_object_get_string(v), USER);
	assert_true(json_object_object_get_ex(o, "type", &v));
	assert_string_equal(json_object_get_string(v), "refresh");
	assert_true(json_object_object_get_ex(o, "exp", &v));
	assert_true(json_object_is_type(v, json_type_int));
	assert_true(json_object_object_get_ex(o, "iat", &v));
	assert_true(json_object_is_type(v, json_type_int));
	assert_true(json_object_object_get_ex(o, "jti", &v));
	json_object_put(o);
	buf_clear(&text);
	buf_clear(&token);
}

static void
each_token_has_its_own_jti(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct jwt_claims a, b;

	(void)state;
	assert_int_equal(issue(&token, &a, JWT_ACCESS), 0);
	assert_int_equal(issue(&token, &b, JWT_ACCESS), 0);
	assert_string_not_equal(a.jti, b.jti);
	buf_clear(&token);
}

/* Made by another library: other order, no typ. */
static void
a_token_of_another_spelling_is_taken(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	(void)state;
	forge(&token, HS256, payload_with(0, 60, ACCESS));
	assert_taken(&token);
	forge(&token, "{\"alg\":\"HS256\"}", payload_with(0, 60, ACCESS));
	assert_taken(&token);
	buf_clear(&token);
}

/* A token of the back end we replace, under the same secret: not ours (D7). */
static void
a_token_without_jti_is_refused(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);

	(void)state;
	forge(&token, HS256, payload_with(0, 60, ACCESS_NO_JTI));
	assert_refused(&token, "Authentication failed");
	forge(&token, HS256,
	    payload_with(0, 60, ACCESS_NO_JTI ",\"jti\":null"));
	assert_refused(&token, "Authentication failed");
	buf_clear(&token);
}

static void
types_do_not_stand_in_for_each_other(void **state)
{
	const struct jwt_want want = { &good_key, JWT_REFRESH };
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct jwt_claims c;
	struct jwt_text text;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(issue(&token, &c, JWT_REFRESH), 0);
	assert_refused(&token, "Invalid token type. Expected access");
	assert_int_equal(issue(&token, &c, JWT_ACCESS), 0);
	text.text = token.data;
	text.len = token.len;
	assert_int_equal(jwt_verify(&c, &want, &text, &e), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	assert_string_equal(e.text, "Invalid token type. Expected refresh");
	buf_clear(&token);
}

static void
issue_refuses_nonsense(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX), small = BUF(10);
	struct jwt_claims c = { 0 };
	struct err e = { 0 };

	(void)state;
	memcpy(c.user_id, "../../etc/passwd", 17);
	assert_int_equal(jwt_issue(&token, &c, &good_key, 60, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	memcpy(c.user_id, USER, sizeof(USER));
	assert_int_equal(jwt_issue(&token, &c, &good_key, 0, &e), -1);
	assert_int_equal(
	    jwt_issue(&token, &c, &good_key, JWT_LIFE_MAX_S + 1, &e), -1);
	assert_int_equal(jwt_issue(&small, &c, &good_key, 60, &e), -1);
	assert_int_equal(token.len, 0);
	buf_clear(&token);
	buf_clear(&small);
}

/* J1 and J9: no key, an empty one or a short one never reaches libjwt, not
 * even with a token that libjwt would then take. */
static void
J1_J9_empty_and_short_keys_are_refused(void **state)
{
	static const struct jwt_key bad[] = {
		{ NULL, 0, 10 },
		{ NULL, 32, 10 },
		{ SECRET, 0, 10 },
		{ SECRET, 1, 10 },
		{ SECRET, JWT_SECRET_MIN - 1, 10 },
		{ SECRET, (size_t)-1, 10 },
		{ SECRET, (size_t)1 << 32, 10 },
		{ SECRET, 32, -1 },
		{ SECRET, 32, JWT_LEEWAY_MAX_S + 1 },
	};
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct jwt_claims c = { 0 };
	struct jwt_want want = { NULL, JWT_ACCESS };
	struct jwt_text text;
	struct err e = { 0 };
	size_t i;

	(void)state;
	forge(&token, HS256, payload_with(0, 60, ACCESS));
	text.text = token.data;
	text.len = token.len;
	assert_int_equal(jwt_verify(&c, &want, &text, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	memcpy(c.user_id, USER, sizeof(USER));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(jwt_key_check(&bad[i], &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		want.key = &bad[i];
		assert_int_equal(jwt_verify(&c, &want, &text, &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		assert_int_equal(jwt_issue(&token, &c, &bad[i], 60, &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
	}
	assert_int_equal(jwt_key_check(&good_key, &e), 0);
	buf_clear(&token);
}

/* J12: many good and bad tokens; the sanitizer build sees the leaks. */
static void
J12_memory_is_given_back(void **state)
{
	struct buf token = BUF(JWT_TOKEN_MAX);
	struct jwt_claims c;
	int i;

	(void)state;
	for (i = 0; i < 300; i++) {
		assert_int_equal(issue(&token, &c, JWT_ACCESS), 0);
		assert_taken(&token);
		token.data[token.len - 5] ^= 1;
		assert_refused(&token, NULL);
		forge(&token, HS256, "[1]");
		assert_refused(&token, NULL);
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
		cmocka_unit_test(issued_token_verifies),
		cmocka_unit_test(J11_claims_are_the_contracts),
		cmocka_unit_test(each_token_has_its_own_jti),
		cmocka_unit_test(a_token_of_another_spelling_is_taken),
		cmocka_unit_test(a_token_without_jti_is_refused),
		cmocka_unit_test(types_do_not_stand_in_for_each_other),
		cmocka_unit_test(issue_refuses_nonsense),
		cmocka_unit_test(J1_J9_empty_and_short_keys_are_refused),
		cmocka_unit_test(J12_memory_is_given_back),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
