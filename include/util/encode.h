#ifndef UTIL_ENCODE_H
#define UTIL_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * encode: bytes as text and back, and the two things made of random bytes or
 * of a digest that the whole program needs. libsodium does the work.
 * encode_init() comes first in every process (it is sodium_init).
 */
int encode_init(struct err *e) MUST_CHECK;

#define SHA256_BYTES 32
#define UUID_TEXT 37 /* 36 characters and the NUL */

/* Lower-case hex; out has room for 2 * len + 1. */
void encode_hex(char *out, const void *bytes, size_t len);

/* Base64url without padding, appended. */
void encode_base64url(struct buf *out, const void *bytes, size_t len);

/*
 * Strict decoding of len characters of base64url without padding: no foreign
 * characters, no white space, no stray bits at the end (J8). Appends to out.
 * Returns false, with out unchanged, when the text is not that.
 */
bool decode_base64url(struct buf *out, const char *text, size_t len);

/* The same for ordinary base64, padded, as JSON of protocol buffers has it. */
bool decode_base64(struct buf *out, const char *text, size_t len);

/* SHA-256. */
void sha256(uint8_t out[SHA256_BYTES], const void *bytes, size_t len);

/* Cryptographically random bytes. */
void random_fill(void *out, size_t len);

/* A random (version 4) UUID in lower case. */
void uuid_new(char out[UUID_TEXT]);

/*
 * Copies text to out in lower case if it is a UUID: 36 characters, dashes at
 * their places, hex else. Returns false and leaves out alone otherwise.
 */
bool uuid_read(char out[UUID_TEXT], const char *text);

#endif
