#ifndef ENGINE_KEYRING_H
#define ENGINE_KEYRING_H

#include "auth/seal.h"
#include "store/queue.h"

/*
 * keyring: the secret keys that open queued tasks' tokens, each read once, when
 * the first task names it.
 */
#define KEYRING_MAX 8

struct keyring {
	char dir[256]; /* STATE_DIR/keys */
	struct {
		char id[SEAL_KEY_ID];
		struct seal_secret *key;
	} at[KEYRING_MAX];
	size_t count;
};

void keyring_init(struct keyring *k, const char *state_dir);
void keyring_clear(struct keyring *k);

/*
 * Appends a claimed task's token to *token (end it with buf_wipe()); nothing
 * when the task has none. An error is final for this task, unless it is
 * ERR_RETRY: the key is gone, or the row was tampered with (faults 64, 65).
 */
int keyring_open(struct keyring *k, const struct claim *c, struct buf *token,
    struct err *e) MUST_CHECK;

#endif
