#include "auth/jwks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwk_pem.h"
#include "util/json.h"

#define KID_MAX 255

struct jwk {
	char *kid; /* "" when it has none */
	enum jwt_by by;
	struct buf pem;
};

struct jwks {
	size_t count;
	struct jwk keys[JWKS_KEYS_MAX];
};

/* Members of a private or symmetric key. */
static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi",
	"oth", "k" };

static bool
is_private(struct json_object *key)
{
	const char *s;
	size_t len;

	for (size_t i = 0;
	     i < sizeof(private_members) / sizeof(private_members[0]); i++)
		if (json_get_string(key, private_members[i], &s, &len) !=
		    JSON_MISSING)
			return true;
	return false;
}

/* A member that must be this word if it is there. */
static bool
word_fits(struct json_object *key, const char *name, const char *word)
{
	const char *s;
	size_t len;

	switch (json_get_string(key, name, &s, &len)) {
	case JSON_MISSING:
		return true;
	case JSON_FOUND:
		return strcmp(s, word) == 0;
	case JSON_MISTYPED:
		break;
	}
	return false;
}

/* key_ops, if it is there, says that signatures may be verified. */
static bool
may_verify(struct json_object *key)
{
	struct json_object *ops;
	enum json_got got = json_get_array(key, "key_ops", &ops);

	if (got != JSON_FOUND)
		return got == JSON_MISSING;
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_array_string(ops, i);

		if (op != NULL && strcmp(op, "verify") == 0)
			return true;
	}
	return false;
}

/* 1 when the key may be used for *by; 0 when it is none of ours. */
static bool
is_ours(struct json_object *key, enum jwt_by *by)
{
	const char *kty;
	size_t len;

	if (json_get_string(key, "kty", &kty, &len) != JSON_FOUND)
		return false;
	if (strcmp(kty, "RSA") == 0)
		*by = JWT_BY_RS256;
	else if (strcmp(kty, "EC") == 0)
		*by = JWT_BY_ES256;
	else
		return false;
	return word_fits(key, "use", "sig") &&
	    word_fits(key, "alg", jwt_signer_name(*by)) && may_verify(key);
}

static const struct jwk *
find_by(const struct jwks *set, const char *kid, enum jwt_by by)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->keys[i].by == by && strcmp(set->keys[i].kid, kid) == 0)
			return &set->keys[i];
	return NULL;
}

/* The kid, "" without one; NULL for one that cannot be. */
static const char *
kid_of(struct json_object *key)
{
	const char *s = "";
	size_t len = 0;

	if (json_get_string(key, "kid", &s, &len) == JSON_MISTYPED ||
	    len > KID_MAX)
		return NULL;
	return s;
}

/* Takes a key into the set, or passes over it. */
static int
take_key(struct jwks *set, struct json_object *key, struct err *e)
{
	struct jwk *k = &set->keys[set->count];
	const char *kid = kid_of(key);
	struct buf pem = BUF(JWK_PEM_MAX);
	enum jwt_by by;
	int got;

	if (!is_ours(key, &by) || kid == NULL)
		return 0;
	if (is_private(key))
		return err_set(e, ERR_INVALID, "there is a private key in it");
	if (find_by(set, kid, by) != NULL)
		return err_set(e, ERR_INVALID, "two of its keys have one kid");
	if ((got = jwk_to_pem(&pem, key, by, e)) != 1) {
		buf_clear(&pem);
		return got;
	}
	if ((k->kid = strdup(kid)) == NULL) {
		buf_clear(&pem);
		return err_set(e, ERR_RETRY, "key set: out of memory");
	}
	k->by = by;
	k->pem = pem;
	set->count++;
	return 0;
}

static int
take_all(struct jwks *set, struct json_object *root, struct err *e)
{
	struct json_object *keys, *key;

	if (!json_is_object(root) ||
	    json_get_array(root, "keys", &keys) != JSON_FOUND)
		return err_set(e, ERR_INVALID,
		    "it is not {\"keys\":[...]}, so no key set");
	if (json_array_size(keys) > JWKS_KEYS_MAX)
		return err_set(e, ERR_INVALID, "it has more than %d keys",
		    JWKS_KEYS_MAX);
	for (size_t i = 0; i < json_array_size(keys); i++) {
		if ((key = json_array_object(keys, i)) == NULL)
			return err_set(e, ERR_INVALID,
			    "key %zu of it is no object", i + 1);
		if (take_key(set, key, e) != 0)
			return -1;
	}
	return 0;
}

int
jwks_read(struct jwks **out, const char *text, size_t len, struct err *e)
{
	struct json_object *root = NULL;
	struct jwks *set = NULL;
	int rc = -1;

	*out = NULL;
	if (len > JWKS_TEXT_MAX)
		return err_set(e, ERR_INVALID, "key set: it is too large");
	if ((set = calloc(1, sizeof(*set))) == NULL)
		return err_set(e, ERR_RETRY, "key set: out of memory");
	if (json_read(&root, text, len, e) != 0 ||
	    take_all(set, root, e) != 0) {
		err_wrap(e, "key set");
		goto out;
	}
	*out = set;
	set = NULL;
	rc = 0;
out:
	json_free(root);
	jwks_free(set);
	return rc;
}

void
jwks_free(struct jwks *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++) {
		free(set->keys[i].kid);
		buf_clear(&set->keys[i].pem);
	}
	free(set);
}

size_t
jwks_count(const struct jwks *set)
{
	return set->count;
}

/* The only key of an algorithm. */
static const struct jwk *
only_one(const struct jwks *set, enum jwt_by by)
{
	const struct jwk *found = NULL;

	for (size_t i = 0; i < set->count; i++) {
		if (set->keys[i].by != by)
			continue;
		if (found != NULL)
			return NULL;
		found = &set->keys[i];
	}
	return found;
}

const struct jwk *
jwks_find(const struct jwks *set, const char *kid, const char *alg)
{
	enum jwt_by by;

	if (strcmp(alg, jwt_signer_name(JWT_BY_RS256)) == 0)
		by = JWT_BY_RS256;
	else if (strcmp(alg, jwt_signer_name(JWT_BY_ES256)) == 0)
		by = JWT_BY_ES256;
	else
		return NULL;
	return kid != NULL ? find_by(set, kid, by) : only_one(set, by);
}

const char *
jwk_pem(const struct jwk *key, size_t *len)
{
	*len = key->pem.len;
	return key->pem.data;
}
