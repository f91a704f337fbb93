#include "auth/token_cache.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/encode.h"

#define WAYS 4 /* entries that share a slot */
#define ENTRIES_MAX 65536
#define MS_PER_S 1000
#define US_PER_S 1000000

/* An empty entry has until_ms 0, which is always in the past. */
struct entry {
	uint8_t id[SHA256_BYTES];
	struct jwt_claims claims;
	int64_t until_ms; /* monotonic */
};

struct token_cache {
	size_t slots;
	struct entry entries[];
};

int
token_cache_new(struct token_cache **cache, size_t entries, struct err *e)
{
	size_t slots = (entries + WAYS - 1) / WAYS;
	struct token_cache *c;

	if (entries < 1 || entries > ENTRIES_MAX)
		return err_set(e, ERR_INVALID,
		    "the token cache must have 1 to %d entries", ENTRIES_MAX);
	c = calloc(1, sizeof(*c) + slots * WAYS * sizeof(c->entries[0]));
	if (c == NULL)
		return err_set(e, ERR_RETRY, "token cache: out of memory");
	c->slots = slots;
	*cache = c;
	return 0;
}

void
token_cache_free(struct token_cache *cache)
{
	if (cache == NULL)
		return;
	sodium_memzero(cache->entries,
	    cache->slots * WAYS * sizeof(cache->entries[0]));
	free(cache);
}

/* The first of the entries where a token of this id can be. */
static struct entry *
slot_of(struct token_cache *cache, const uint8_t id[SHA256_BYTES])
{
	uint64_t n;

	memcpy(&n, id, sizeof(n));
	return &cache->entries[(size_t)(n % cache->slots) * WAYS];
}

static struct entry *
find(struct entry *slot, const uint8_t id[SHA256_BYTES])
{
	size_t i;

	for (i = 0; i < WAYS; i++)
		if (slot[i].until_ms > clock_mono_ms() &&
		    sodium_memcmp(slot[i].id, id, SHA256_BYTES) == 0)
			return &slot[i];
	return NULL;
}

/*
 * Whether what is remembered still answers the question. All that it does not
 * answer goes to jwt_verify(), which also has the right words.
 */
static bool
still_good(const struct jwt_claims *c, const struct jwt_want *want)
{
	int64_t now_s = clock_wall_us() / US_PER_S;

	return c->type == want->type && c->exp > now_s &&
	    c->iat <= now_s + want->key->leeway_s;
}

/* Puts claims in the place of the entry that is due first. */
static void
remember(struct entry *slot, const uint8_t id[SHA256_BYTES],
    const struct jwt_claims *claims)
{
	struct entry *oldest = &slot[0];
	size_t i;

	for (i = 1; i < WAYS; i++)
		if (slot[i].until_ms < oldest->until_ms)
			oldest = &slot[i];
	memcpy(oldest->id, id, SHA256_BYTES);
	oldest->claims = *claims;
	oldest->until_ms = clock_mono_ms() + TOKEN_CACHE_S * MS_PER_S;
}

int
token_cache_verify(struct token_cache *cache, struct jwt_claims *c,
    const struct jwt_want *want, const struct jwt_text *token, struct err *e)
{
	uint8_t id[SHA256_BYTES];
	struct entry *slot, *known;

	if (cache == NULL || token->len > JWT_TOKEN_MAX)
		return jwt_verify(c, want, token, e);
	sha256(id, token->text, token->len);
	slot = slot_of(cache, id);
	known = find(slot, id);
	if (known != NULL && still_good(&known->claims, want)) {
		*c = known->claims;
		return 0;
	}
	if (jwt_verify(c, want, token, e) != 0)
		return -1;
	remember(slot, id, c);
	return 0;
}
