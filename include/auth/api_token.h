#ifndef AUTH_API_TOKEN_H
#define AUTH_API_TOKEN_H

#include <stdbool.h>

#include "util/encode.h"

/*
 * api_token: personal API tokens, "tm_" and 32 random bytes in base64url. Only
 * their SHA-256 is kept; random as they are, no slow hash is needed.
 * encode_init() must have been called.
 */

#define API_TOKEN_PREFIX "tm_"
#define API_TOKEN_TEXT 47 /* 46 characters and the NUL */

/* A new token; a secret that is shown once. */
void api_token_make(char out[API_TOKEN_TEXT], uint8_t hash[SHA256_BYTES]);

/* True for anything that means to be one, well formed or not. */
bool api_token_claims(const char *text, size_t len);

/* Its hash; false when it is not well formed. One token has one spelling. */
bool api_token_hash(uint8_t hash[SHA256_BYTES], const char *text, size_t len);

/*
 * Likewise for the value of a session's cookie: 32 random bytes in base64url
 * without a prefix.
 */
#define SESSION_ID_TEXT 44

void session_id_make(char out[SESSION_ID_TEXT], uint8_t hash[SHA256_BYTES]);
bool session_id_hash(uint8_t hash[SHA256_BYTES], const char *text, size_t len);

#endif
