#include "engine/keyring.h"

#include <stdio.h>
#include <string.h>

void
keyring_init(struct keyring *k, const char *state_dir)
{
	memset(k, 0, sizeof(*k));
	(void)snprintf(k->dir, sizeof(k->dir), "%s/keys", state_dir);
}

void
keyring_clear(struct keyring *k)
{
	for (size_t i = 0; i < k->count; i++)
		seal_secret_free(k->at[i].key);
	k->count = 0;
}

/* The oldest gives way: a deployment has one key, and two while it rotates. */
static void
make_room(struct keyring *k)
{
	if (k->count < KEYRING_MAX)
		return;
	seal_secret_free(k->at[0].key);
	memmove(&k->at[0], &k->at[1], (KEYRING_MAX - 1) * sizeof(k->at[0]));
	k->count--;
}

static const struct seal_secret *
find(struct keyring *k, const char *key_id, struct err *e)
{
	struct seal_secret *key;

	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->at[i].id, key_id) == 0)
			return k->at[i].key;
	if (seal_secret_load(&key, k->dir, key_id, e) == -1)
		return NULL;
	make_room(k);
	(void)snprintf(k->at[k->count].id, sizeof(k->at[0].id), "%s", key_id);
	k->at[k->count].key = key;
	k->count++;
	return key;
}

int
keyring_open(struct keyring *k, const struct claim *c, struct buf *token,
    struct err *e)
{
	const struct seal_secret *key;
	const struct seal_box box = { c->sealed, c->sealed_len };
	struct seal_owner owner;

	_Static_assert(sizeof(owner.nonce) == sizeof(c->nonce), "one nonce");
	if (!c->has_secret)
		return 0;
	if ((key = find(k, c->key_id, e)) == NULL)
		return -1;
	(void)snprintf(owner.user_id, sizeof(owner.user_id), "%s", c->user_id);
	memcpy(owner.nonce, c->nonce, sizeof(owner.nonce));
	return unseal(token, key, &owner, &box, e);
}
