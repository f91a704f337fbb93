#ifndef TESTS_AUTH_KEYS_H
#define TESTS_AUTH_KEYS_H

#include "util/buf.h"

/*
 * keys: an identity provider of tests: key pairs made on the spot, their key
 * set, and tokens signed with them by OpenSSL and not by libjwt.
 */
struct evp_pkey_st;

/* type "RSA" with bits, or "EC" with a curve's name. Ended by key_free(). */
struct evp_pkey_st *key_rsa(unsigned int bits);
struct evp_pkey_st *key_ec(const char *curve);
void key_free(struct evp_pkey_st *key);

/* Appends the public key as a JWK; extra is put before the closing brace. */
void key_jwk(struct buf *out, struct evp_pkey_st *key, const char *extra);

/* Empties *out and writes header.payload.signature; ES256 for an EC key. */
void key_sign(struct buf *out, struct evp_pkey_st *key, const char *header,
    const char *payload);

/* Appends the public key as PEM. */
void key_pem(struct buf *out, struct evp_pkey_st *key);

#endif
