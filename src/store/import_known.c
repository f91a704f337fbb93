#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/import_impl.h"

#define KEY_MAX (LEGACY_ID_MAX + 8)

struct entry {
	char key[KEY_MAX]; /* "" when free */
	char id[37];
};

/* Open addressing; at most half full. */
struct import_known {
	struct entry *at;
	size_t room; /* a power of two */
	size_t count;
};

static size_t
hash(const char *key)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return (size_t)h;
}

static struct entry *
place(const struct import_known *k, const char *key)
{
	size_t i = hash(key) & (k->room - 1);

	while (k->at[i].key[0] != '\0' && strcmp(k->at[i].key, key) != 0)
		i = (i + 1) & (k->room - 1);
	return &k->at[i];
}

static int
grow(struct import_known *k, size_t room, struct err *e)
{
	struct import_known wider = { NULL, room, k->count };

	if ((wider.at = calloc(room, sizeof(*wider.at))) == NULL)
		return err_sys(e, ERR_RETRY, "import");
	for (size_t i = 0; i < k->room; i++)
		if (k->at[i].key[0] != '\0')
			*place(&wider, k->at[i].key) = k->at[i];
	free(k->at);
	*k = wider;
	return 0;
}

int
import_known_new(struct import_known **k, struct err *e)
{
	if ((*k = calloc(1, sizeof(**k))) == NULL)
		return err_sys(e, ERR_RETRY, "import");
	if (grow(*k, 1024, e) == -1) {
		import_known_free(*k);
		*k = NULL;
		return -1;
	}
	return 0;
}

void
import_known_free(struct import_known *k)
{
	if (k == NULL)
		return;
	free(k->at);
	free(k);
}

static void
make_key(char key[KEY_MAX], enum import_kind kind, const char *legacy_id)
{
	(void)snprintf(key, KEY_MAX, "%d:%s", (int)kind, legacy_id);
}

int
known_put(struct import_known *k, enum import_kind kind, const char *legacy_id,
    const char *id, struct err *e)
{
	char key[KEY_MAX];
	struct entry *p;

	if (2 * (k->count + 1) > k->room && grow(k, 2 * k->room, e) == -1)
		return -1;
	make_key(key, kind, legacy_id);
	p = place(k, key);
	k->count += p->key[0] == '\0';
	(void)memcpy(p->key, key, sizeof(key));
	(void)snprintf(p->id, sizeof(p->id), "%s", id);
	return 0;
}

const char *
known_get(const struct import_known *k, enum import_kind kind,
    const char *legacy_id)
{
	char key[KEY_MAX];
	const struct entry *p;

	make_key(key, kind, legacy_id);
	p = place(k, key);
	return p->key[0] == '\0' ? NULL : p->id;
}
