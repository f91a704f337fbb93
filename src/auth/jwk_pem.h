#ifndef AUTH_JWK_PEM_H
#define AUTH_JWK_PEM_H

#include "auth/jwt_signature.h"
#include "util/buf.h"
#include "util/err.h"

struct json_object;

#define JWK_PEM_MAX 8192

/*
 * Appends a JSON Web Key's public key as PEM, which is what libjwt reads.
 * 1: done; 0: a key that is too weak, on another curve, or no key at all;
 * -1: memory ran out.
 */
int jwk_to_pem(struct buf *pem, struct json_object *key, enum jwt_by by,
    struct err *e) MUST_CHECK;

#endif
