#include "auth/seal.h"

#include <sodium.h>
#include <string.h>

#include "auth/seal_key.h"

/* What lies in a box: version, user, nonce, secret. */
#define BOX_VERSION 1
#define USER_AT 1
#define USER_LEN ((size_t)UUID_TEXT - 1)
#define NONCE_AT (USER_AT + USER_LEN)
#define SECRET_AT (NONCE_AT + SEAL_NONCE)

_Static_assert(SECRET_AT + crypto_box_SEALBYTES == SEAL_OVERHEAD,
    "the header's overhead is the real one");

/* Everything before the secret. */
static void
set_head(uint8_t head[SECRET_AT], const struct seal_owner *owner)
{
	head[0] = BOX_VERSION;
	memcpy(head + USER_AT, owner->user_id, USER_LEN);
	memcpy(head + NONCE_AT, owner->nonce, SEAL_NONCE);
}

int
seal(struct buf *sealed, const struct seal_public *key,
    const struct seal_owner *owner, const char *secret, struct err *e)
{
	size_t len = strnlen(secret, SEAL_SECRET_MAX + 1);
	char user_id[UUID_TEXT];
	uint8_t *plain = NULL;
	char *out;
	int rc = -1;

	if (len > SEAL_SECRET_MAX)
		return err_set(e, ERR_INVALID,
		    "a secret may have at most %d bytes", SEAL_SECRET_MAX);
	if (!uuid_read(user_id, owner->user_id))
		return err_set(e, ERR_BROKEN, "seal: the owner has no id");
	plain = sodium_malloc(SECRET_AT + len);
	out = buf_reserve(sealed, len + SEAL_OVERHEAD);
	if (plain == NULL || out == NULL) {
		err_set(e, ERR_RETRY, "seal: out of memory");
		goto out;
	}
	set_head(plain, owner);
	memcpy(plain + SECRET_AT, secret, len);
	if (crypto_box_seal((unsigned char *)out, plain, SECRET_AT + len,
		key->key) != 0) {
		err_set(e, ERR_BROKEN, "seal: the public key is unusable");
		goto out;
	}
	sealed->len += len + SEAL_OVERHEAD;
	rc = 0;
out:
	sodium_free(plain);
	return rc;
}

int
unseal(struct buf *secret, const struct seal_secret *key,
    const struct seal_owner *owner, const struct seal_box *box, struct err *e)
{
	uint8_t head[SECRET_AT], *plain = NULL;
	size_t len;
	int rc = -1;

	if (box->len < SEAL_OVERHEAD || box->len > SEAL_SEALED_MAX)
		return err_set(e, ERR_BROKEN, "unseal: not a sealed secret");
	len = box->len - SEAL_OVERHEAD;
	if ((plain = sodium_malloc(SECRET_AT + len)) == NULL) {
		err_set(e, ERR_RETRY, "unseal: out of memory");
		goto out;
	}
	if (crypto_box_seal_open(plain, box->bytes, box->len, key->pair.key,
		key->key) != 0) {
		err_set(e, ERR_BROKEN, "unseal: tampered with, or another key");
		goto out;
	}
	set_head(head, owner);
	if (sodium_memcmp(plain, head, sizeof(head)) != 0) {
		err_set(e, ERR_BROKEN, "unseal: it belongs to another task");
		goto out;
	}
	buf_add(secret, plain + SECRET_AT, len);
	if (!buf_ok(secret)) {
		err_set(e, ERR_RETRY, "unseal: out of memory");
		goto out;
	}
	rc = 0;
out:
	sodium_free(plain);
	return rc;
}
