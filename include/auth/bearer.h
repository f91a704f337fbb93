#ifndef AUTH_BEARER_H
#define AUTH_BEARER_H

#include "auth/jwt.h"
#include "util/err.h"

/*
 * bearer: the token in an Authorization header (contract 2.2). Says nothing
 * about the token itself, which may be empty; jwt_verify() does that.
 *
 * header is the field's value, NULL when there is none. *token then points into
 * it. Every failure is ERR_UNKNOWN (401) and its text
 * is the one that the contract shows to the client.
 */
int bearer_read(struct jwt_text *token, const char *header,
    struct err *e) MUST_CHECK;

#endif
