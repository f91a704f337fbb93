#include "auth/idp.h"

#include <stdbool.h>
#include <string.h>

#include "auth/jwt_read.h"
#include "auth/jwt_signature.h"
#include "util/clock.h"
#include "util/json.h"

#define US_PER_S 1000000
#define ES256_BYTES 64 /* r and s; libjwt would take others (J8) */

static int
not_allowed(struct err *e)
{
	return err_set(e, ERR_UNKNOWN,
	    "The specified alg value is not allowed");
}

/* The published key that a header asks for, pinned to its algorithm (J3). */
static int
choose_key(struct jwt_signer *signer, const struct idp *idp,
    struct json_object *header, const char *alg, bool *new_key, struct err *e)
{
	const struct jwk *key = NULL;
	const char *kid = NULL;
	size_t len;

	if (strcmp(alg, jwt_signer_name(JWT_BY_RS256)) == 0)
		signer->by = JWT_BY_RS256;
	else if (strcmp(alg, jwt_signer_name(JWT_BY_ES256)) == 0)
		signer->by = JWT_BY_ES256;
	else
		return not_allowed(e);
	if (json_get_string(header, "kid", &kid, &len) == JSON_MISTYPED)
		return err_set(e, ERR_UNKNOWN,
		    "Invalid header string: kid must be a string");
	if (idp->keys != NULL)
		key = jwks_find(idp->keys, kid, alg);
	if (key == NULL) {
		*new_key = true;
		return err_set(e, ERR_UNKNOWN, "The token's key is not known");
	}
	signer->key = jwk_pem(key, &signer->len);
	return 0;
}

static int
choose_signer(struct jwt_signer *signer, const struct idp *idp,
    const struct jwt_parts *parts, bool *new_key, struct err *e)
{
	const char *alg;
	size_t len;

	if (json_get_string(parts->header, "alg", &alg, &len) != JSON_FOUND)
		return not_allowed(e);
	if (idp->secret == NULL)
		return choose_key(signer, idp, parts->header, alg, new_key, e);
	if (strcmp(alg, jwt_signer_name(JWT_BY_HS256)) != 0)
		return not_allowed(e);
	signer->by = JWT_BY_HS256;
	signer->key = idp->secret;
	signer->len = idp->secret_len;
	return 0;
}

static bool
audience_fits(struct json_object *payload, const char *audience)
{
	struct json_object *list;
	const char *s;
	size_t len;

	if (json_get_string(payload, "aud", &s, &len) == JSON_FOUND)
		return strcmp(s, audience) == 0;
	if (json_get_array(payload, "aud", &list) != JSON_FOUND)
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		s = json_array_string(list, i);
		if (s != NULL && strcmp(s, audience) == 0)
			return true;
	}
	return false;
}

static int
read_claims(struct idp_claims *c, struct json_object *payload,
    const struct idp *idp, struct err *e)
{
	const struct jwt_rule rule = {
		.now_s = clock_wall_us() / US_PER_S,
		.leeway_s = idp->leeway_s,
		.iat_optional = true,
	};
	struct jwt_claims times;
	const char *s;
	size_t len;

	if (jwt_read_times(&times, payload, &rule, e) != 0)
		return -1;
	if (json_get_string(payload, "iss", &s, &len) != JSON_FOUND ||
	    strcmp(s, idp->issuer) != 0)
		return err_set(e, ERR_UNKNOWN, "Invalid issuer");
	if (!audience_fits(payload, idp->audience))
		return err_set(e, ERR_UNKNOWN, "Invalid audience");
	if (json_get_string(payload, "sub", &s, &len) != JSON_FOUND ||
	    len == 0 || len > IDP_SUBJECT_MAX)
		return err_set(e, ERR_UNKNOWN, "Invalid subject");
	memcpy(c->subject, s, len + 1);
	c->exp = times.exp;
	return 0;
}

/* A half-made configuration must never look like permission (J1). */
static int
insist(const struct idp *idp, struct err *e)
{
	if (idp->issuer == NULL || idp->issuer[0] == '\0' ||
	    idp->audience == NULL || idp->audience[0] == '\0' ||
	    (idp->secret != NULL && idp->secret_len < JWT_SECRET_MIN))
		return err_set(e, ERR_BROKEN,
		    "the identity provider is not set up");
	return 0;
}

int
idp_verify(struct idp_claims *c, const struct idp *idp,
    const struct jwt_text *token, bool *new_key, struct err *e)
{
	struct jwt_signer signer = { 0 };
	struct jwt_parts parts = { 0 };
	int rc = -1;

	*new_key = false;
	if (insist(idp, e) != 0 || jwt_read_parts(&parts, NULL, token, e) != 0)
		return -1;
	if (choose_signer(&signer, idp, &parts, new_key, e) != 0)
		goto out;
	if (signer.by == JWT_BY_ES256 && parts.signature_len != ES256_BYTES) {
		err_set(e, ERR_UNKNOWN, "Signature verification failed");
		goto out;
	}
	if (jwt_check_signature(token, &signer, e) != 0 ||
	    read_claims(c, parts.payload, idp, e) != 0)
		goto out;
	rc = 0;
out:
	jwt_parts_clear(&parts);
	return rc;
}
