#ifndef AUTH_IDP_H
#define AUTH_IDP_H

#include <stdbool.h>
#include <stddef.h>

#include "auth/jwks.h"
#include "auth/jwt.h"
#include "util/err.h"

/*
 * idp: tokens of an identity provider, as proof of who somebody is.
 *
 * The provider signs either with a secret that it shares with us (HS256) or
 * with keys whose public halves it publishes (RS256, ES256): never both, so
 * that no key can serve for another's algorithm (J3).
 */

struct idp {
	const char *issuer;   /* iss, byte for byte */
	const char *audience; /* aud is it, or is a list that has it */
	const char *secret;   /* HS256; NULL: by key set */
	size_t secret_len;
	const struct jwks *keys; /* NULL: none are known yet */
	int leeway_s;
};

#define IDP_SUBJECT_MAX 255

/* What a token says. */
struct idp_claims {
	char subject[IDP_SUBJECT_MAX + 1];
	int64_t exp; /* seconds since 1970 */
};

/*
 * A token that is whole, the provider's, for us and in time fills *c. Else
 * ERR_UNKNOWN with a text for the client. *new_key is true when it failed for a
 * key that is not known: fetching the set again may help.
 */
int idp_verify(struct idp_claims *c, const struct idp *idp,
    const struct jwt_text *token, bool *new_key, struct err *e) MUST_CHECK;

#endif
