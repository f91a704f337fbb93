#ifndef AUTH_SEAL_KEY_H
#define AUTH_SEAL_KEY_H

#include "auth/seal.h"

/* A key pair, in memory from sodium_malloc(): guarded, and locked if the
 * limits allow it. */
struct seal_secret {
	struct seal_public pair;
	uint8_t key[32];
};

#endif
