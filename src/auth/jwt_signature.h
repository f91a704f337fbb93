#ifndef AUTH_JWT_SIGNATURE_H
#define AUTH_JWT_SIGNATURE_H

#include <stddef.h>

#include "auth/jwt.h"

/*
 * jwt_signature: the only place where libjwt judges a token.
 */

/* The algorithms there are for us; none of them is "none". */
enum jwt_by {
	JWT_BY_HS256,
	JWT_BY_RS256,
	JWT_BY_ES256,
	JWT_BY_N
};

/* One key and the one algorithm that it is for (J3). */
struct jwt_signer {
	enum jwt_by by;
	const char *key; /* HS256: the secret; else a public key as PEM */
	size_t len;
};

/* "HS256" and so on. */
const char *jwt_signer_name(enum jwt_by by);

/*
 * True if this signer made the token's signature: ERR_UNKNOWN "Signature
 * verification failed" if not. The caller has read the header itself and knows
 * that it names the signer's algorithm. ERR_BROKEN: no usable key (J1).
 */
int jwt_check_signature(const struct jwt_text *token,
    const struct jwt_signer *signer, struct err *e) MUST_CHECK;

#endif
