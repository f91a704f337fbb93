#include "auth/jwt.h"

#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt_read.h"
#include "auth/jwt_signature.h"
#include "util/clock.h"

#define US_PER_S 1000000

int
jwt_key_check(const struct jwt_key *key, struct err *e)
{
	if (key == NULL || key->secret == NULL ||
	    key->secret_len < JWT_SECRET_MIN)
		return err_set(e, ERR_INVALID,
		    "the token secret must have at least %d bytes",
		    JWT_SECRET_MIN);
	if (key->secret_len > JWT_SECRET_MAX)
		return err_set(e, ERR_INVALID,
		    "the token secret must have at most %d bytes",
		    JWT_SECRET_MAX);
	if (key->leeway_s < 0 || key->leeway_s > JWT_LEEWAY_MAX_S)
		return err_set(e, ERR_INVALID,
		    "the token leeway must be 0 to %d seconds",
		    JWT_LEEWAY_MAX_S);
	return 0;
}

static int64_t
now_s(void)
{
	return clock_wall_us() / US_PER_S;
}

/*
 * The same again where the key is used. libjwt takes an empty key for
 * permission to skip the signature (J1), so a key that slipped past the start
 * is our own bug and must never reach it.
 */
static int
insist_on_key(const struct jwt_key *key, struct err *e)
{
	if (jwt_key_check(key, e) == 0)
		return 0;
	e->kind = ERR_BROKEN;
	return -1;
}

/*
 * What supabase-js and its kin look for beside our own claims; nothing of ours
 * reads these. No "aud": who shares the key and names no audience of his own,
 * as the old back end did, would refuse the token.
 */
static int
add_supabase_claims(jwt_t *jwt, const struct jwt_claims *c)
{
	if (c->type != JWT_ACCESS)
		return 0;
	if (jwt_add_grant(jwt, "sub", c->user_id) != 0 ||
	    jwt_add_grant(jwt, "role", JWT_ROLE) != 0)
		return -1;
	if (c->email != NULL && c->email[0] != '\0' &&
	    jwt_add_grant(jwt, "email", c->email) != 0)
		return -1;
	return 0;
}

static int
add_claims(jwt_t *jwt, const struct jwt_claims *c)
{
	if (jwt_add_grant(jwt, "user_id", c->user_id) != 0 ||
	    jwt_add_grant(jwt, "type", jwt_type_name(c->type)) != 0 ||
	    jwt_add_grant(jwt, "jti", c->jti) != 0 ||
	    jwt_add_grant_int(jwt, "iat", (long)c->iat) != 0 ||
	    jwt_add_grant_int(jwt, "exp", (long)c->exp) != 0)
		return -1;
	return add_supabase_claims(jwt, c);
}

/* Appends the signed token. */
static int
sign(struct buf *token, const struct jwt_claims *c, const struct jwt_key *key,
    struct err *e)
{
	jwt_t *jwt = NULL;
	char *text = NULL;
	int rc = -1;

	if (jwt_new(&jwt) != 0 ||
	    jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key->secret,
		(int)key->secret_len) != 0 ||
	    add_claims(jwt, c) != 0 || (text = jwt_encode_str(jwt)) == NULL) {
		err_set(e, ERR_RETRY, "cannot make a token: out of memory");
		goto out;
	}
	buf_puts(token, text);
	if (!buf_ok(token)) {
		err_set(e, ERR_BROKEN, "cannot make a token: no room for it");
		goto out;
	}
	rc = 0;
out:
	if (text != NULL)
		sodium_memzero(text, strlen(text));
	free(text); /* not libjwt's to free (J12) */
	jwt_free(jwt);
	return rc;
}

int
jwt_issue(struct buf *token, struct jwt_claims *c, const struct jwt_key *key,
    int64_t life_s, struct err *e)
{
	char user_id[UUID_TEXT];

	if (insist_on_key(key, e) != 0)
		return -1;
	if (life_s < 1 || life_s > JWT_LIFE_MAX_S)
		return err_set(e, ERR_INVALID,
		    "a token's life must be 1 to %lld seconds", JWT_LIFE_MAX_S);
	if (!uuid_read(user_id, c->user_id))
		return err_set(e, ERR_INVALID, "user_id is not a UUID");
	memcpy(c->user_id, user_id, sizeof(user_id));
	c->iat = now_s();
	c->exp = c->iat + life_s;
	uuid_new(c->jti);
	return sign(token, c, key, e);
}

int
jwt_verify(struct jwt_claims *c, const struct jwt_want *want,
    const struct jwt_text *token, struct err *e)
{
	struct jwt_signer signer = { .by = JWT_BY_HS256 };
	struct jwt_claims found = { 0 };
	struct jwt_parts parts = { 0 };
	struct jwt_rule rule = { 0 };
	int rc = -1;

	if (insist_on_key(want->key, e) != 0)
		return -1;
	signer.key = want->key->secret;
	signer.len = want->key->secret_len;
	rule.type = want->type;
	rule.now_s = now_s();
	rule.leeway_s = want->key->leeway_s;
	if (jwt_read_parts(&parts, jwt_signer_name(JWT_BY_HS256), token, e) !=
		0 ||
	    jwt_check_signature(token, &signer, e) != 0 ||
	    jwt_read_claims(&found, parts.payload, &rule, e) != 0)
		goto out;
	*c = found;
	rc = 0;
out:
	jwt_parts_clear(&parts);
	return rc;
}
