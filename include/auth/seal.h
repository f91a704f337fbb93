#ifndef AUTH_SEAL_H
#define AUTH_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/encode.h"
#include "util/err.h"

/*
 * seal: a queued task's secret, readable by nobody but the reaper (design,
 * invariant 9). Whoever accepts a task holds the public key and seals; the
 * reaper holds the secret key and unseals. libsodium's sealed boxes.
 *
 * Keys live in a folder: ID.public (0644), ID.secret (0600), and "current",
 * a file with the ID that is used to seal. The ID is the first 16 hex digits
 * of the public key's SHA-256; keep it beside what was sealed. Older keys
 * stay in the folder until nothing sealed with them is left.
 *
 * encode_init() must have been called.
 */

#define SEAL_KEY_ID 17 /* 16 characters and the NUL */
#define SEAL_NONCE 16
#define SEAL_SECRET_MAX 16384 /* most bytes of a secret */
#define SEAL_OVERHEAD 101     /* what sealing adds */
#define SEAL_SEALED_MAX (SEAL_SECRET_MAX + SEAL_OVERHEAD)

struct seal_public {
	char key_id[SEAL_KEY_ID];
	uint8_t key[32];
};

/* Guarded, locked memory; wiped by free. */
struct seal_secret;

/*
 * Whom a secret belongs to. Sealed boxes bind nothing by themselves (H4), so
 * this is sealed in and compared on opening: a box that was moved to another
 * user's or another task's row does not open there. nonce is random_fill()ed
 * for each secret and kept in the row.
 */
struct seal_owner {
	char user_id[UUID_TEXT];
	uint8_t nonce[SEAL_NONCE];
};

/* What seal() made, as it lies in the row. */
struct seal_box {
	const void *bytes;
	size_t len;
};

/*
 * Makes a key pair in dir (made if need be) and then the current one.
 * key_id says which. Run by the admin's commands, not while serving.
 */
int seal_key_make(const char *dir, char key_id[SEAL_KEY_ID],
    struct err *e) MUST_CHECK;

/* The key that "current" names. ERR_ABSENT: none; ERR_BROKEN: not a key. */
int seal_public_load(struct seal_public *key, const char *dir,
    struct err *e) MUST_CHECK;

/*
 * The secret key of this ID. ERR_ABSENT: no such key here. ERR_BROKEN: the
 * file is not this key. ERR_DENIED: others than its owner may read it, or we
 * may not.
 */
int seal_secret_load(struct seal_secret **key, const char *dir,
    const char *key_id, struct err *e) MUST_CHECK;

/* Takes NULL. */
void seal_secret_free(struct seal_secret *key);

/* Appends the sealed secret, a NUL-terminated text, to *sealed. */
int seal(struct buf *sealed, const struct seal_public *key,
    const struct seal_owner *owner, const char *secret,
    struct err *e) MUST_CHECK;

/*
 * Appends the secret to *secret, which must be empty; the caller ends it with
 * buf_wipe(). ERR_BROKEN: it was tampered with, sealed for another key, or
 * belongs to another owner.
 */
int unseal(struct buf *secret, const struct seal_secret *key,
    const struct seal_owner *owner, const struct seal_box *box,
    struct err *e) MUST_CHECK;

#endif
