#ifndef AUTH_JWT_READ_H
#define AUTH_JWT_READ_H

#include <stdint.h>

#include "auth/jwt.h"
#include "util/err.h"

struct json_object;

/*
 * jwt_read: what libjwt does not check (traps J3 to J8, J10). It reads the
 * token by itself and believes nothing of it; the signature is not its
 * business.
 */

/*
 * Takes a token apart: three segments in canonical base64url, a header that
 * says HS256 and asks for nothing we do not do, a payload that is one JSON
 * object. *payload is the caller's, to be freed with json_free().
 */
int jwt_read_parts(struct json_object **payload, const struct jwt_text *token,
    struct err *e) MUST_CHECK;

/* What a payload is held against. */
struct jwt_rule {
	enum jwt_type type;
	int64_t now_s;
	int leeway_s;
};

/* Judges the claims of a payload whose signature is good, in the contract's
 * order: times, type, user. */
int jwt_read_claims(struct jwt_claims *c, struct json_object *payload,
    const struct jwt_rule *rule, struct err *e) MUST_CHECK;

/* "access", "refresh". */
const char *jwt_type_name(enum jwt_type type);

#endif
