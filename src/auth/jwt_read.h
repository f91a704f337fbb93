#ifndef AUTH_JWT_READ_H
#define AUTH_JWT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/jwt.h"
#include "util/err.h"

struct json_object;

/*
 * jwt_read: what libjwt does not check (traps J3 to J8, J10). It reads the
 * token by itself and believes nothing of it; the signature is not its
 * business.
 */

/* A token taken apart. Zeroed: nothing. */
struct jwt_parts {
	struct json_object *header;
	struct json_object *payload;
	size_t signature_len; /* in bytes, decoded */
};

/*
 * Takes a token apart: three segments in canonical base64url, a header that
 * says alg (NULL: that names some algorithm, the caller looks) and asks for
 * nothing we do not do, a payload that is one JSON object. What was read is the
 * caller's, to be given back with jwt_parts_clear(); on -1 there is nothing.
 */
int jwt_read_parts(struct jwt_parts *parts, const char *alg,
    const struct jwt_text *token, struct err *e) MUST_CHECK;
void jwt_parts_clear(struct jwt_parts *parts);

/* What a payload is held against. */
struct jwt_rule {
	enum jwt_type type;
	int64_t now_s;
	int leeway_s;
	bool iat_optional; /* others' tokens may lack it */
};

/* exp, iat and nbf (J6); fills c->exp and c->iat. */
int jwt_read_times(struct jwt_claims *c, struct json_object *payload,
    const struct jwt_rule *rule, struct err *e) MUST_CHECK;

/* Judges the claims of a payload whose signature is good, in the contract's
 * order: times, type, user. */
int jwt_read_claims(struct jwt_claims *c, struct json_object *payload,
    const struct jwt_rule *rule, struct err *e) MUST_CHECK;

/* "access", "refresh". */
const char *jwt_type_name(enum jwt_type type);

#endif
