#include "auth/jwks.h"

#include <string.h>

#include "util/json.h"

/* Since when a key is gone from the provider's set; a member of ours. */
#define GONE_AT "taskmill_gone_at"

/* What a public key consists of. Nothing else is written. */
static const char *const members[] = { "kty", "kid", "use", "alg", "n", "e",
	"crv", "x", "y" };

struct merging {
	struct json_out out;
	struct json_object *fresh; /* arrays of keys */
	struct json_object *old;
	size_t count;
};

static const char *
member(struct json_object *key, const char *name)
{
	const char *s;
	size_t len;

	if (json_get_string(key, name, &s, &len) != JSON_FOUND)
		return "";
	return s;
}

static bool
same_key(struct json_object *a, struct json_object *b)
{
	return strcmp(member(a, "kid"), member(b, "kid")) == 0 &&
	    strcmp(member(a, "kty"), member(b, "kty")) == 0;
}

static bool
is_among(struct json_object *keys, struct json_object *key)
{
	for (size_t i = 0; i < json_array_size(keys); i++) {
		struct json_object *k = json_array_object(keys, i);

		if (k != NULL && same_key(k, key))
			return true;
	}
	return false;
}

static void
write_ops(struct json_out *j, struct json_object *key)
{
	struct json_object *ops;

	if (json_get_array(key, "key_ops", &ops) != JSON_FOUND)
		return;
	json_name(j, "key_ops");
	json_open_array(j);
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_array_string(ops, i);

		if (op != NULL)
			json_text(j, op);
	}
	json_close_array(j);
}

/* gone_at 0: it is there. */
static void
write_key(struct merging *m, struct json_object *key, int64_t gone_at)
{
	const char *kty = member(key, "kty");

	if ((strcmp(kty, "RSA") != 0 && strcmp(kty, "EC") != 0) ||
	    m->count == JWKS_KEYS_MAX)
		return;
	m->count++;
	json_open(&m->out);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *s;
		size_t len;

		if (json_get_string(key, members[i], &s, &len) == JSON_FOUND)
			json_name_string(&m->out, members[i], s, len);
	}
	write_ops(&m->out, key);
	if (gone_at != 0)
		json_name_int(&m->out, GONE_AT, gone_at);
	json_close(&m->out);
}

static void
write_fresh(struct merging *m)
{
	for (size_t i = 0; i < json_array_size(m->fresh); i++) {
		struct json_object *key = json_array_object(m->fresh, i);

		if (key != NULL)
			write_key(m, key, 0);
	}
}

static void
write_gone(struct merging *m, const struct jwks_merge *how)
{
	for (size_t i = 0; i < json_array_size(m->old); i++) {
		struct json_object *key = json_array_object(m->old, i);
		int64_t gone_at;

		if (key == NULL || is_among(m->fresh, key))
			continue;
		if (json_get_int(key, GONE_AT, &gone_at) != JSON_FOUND)
			gone_at = how->now_s;
		if (how->now_s - gone_at < how->keep_s)
			write_key(m, key, gone_at);
	}
}

/* The keys of a text that jwks_read() takes. */
static int
read_keys(struct json_object **root, struct json_object **keys,
    const char *text, size_t len, struct err *e)
{
	struct jwks *set;

	if (jwks_read(&set, text, len, e) != 0)
		return -1;
	jwks_free(set);
	if (json_read(root, text, len, e) != 0)
		return -1;
	if (json_get_array(*root, "keys", keys) != JSON_FOUND)
		return err_set(e, ERR_BROKEN, "key set: keys went away");
	return 0;
}

int
jwks_merge(struct buf *out, const struct jwks_merge *how, struct err *e)
{
	struct json_object *fresh = NULL, *old = NULL;
	struct merging m = { 0 };
	int rc = -1;

	if (read_keys(&fresh, &m.fresh, how->fresh, how->fresh_len, e) != 0)
		goto out;
	if (how->old != NULL &&
	    read_keys(&old, &m.old, how->old, how->old_len, e) != 0)
		goto out;
	json_start(&m.out, out);
	json_open(&m.out);
	json_name(&m.out, "keys");
	json_open_array(&m.out);
	write_fresh(&m);
	if (how->old != NULL)
		write_gone(&m, how);
	json_close_array(&m.out);
	json_close(&m.out);
	if (!buf_ok(out)) {
		err_set(e, ERR_RETRY, "key set: no room for it");
		goto out;
	}
	rc = 0;
out:
	json_free(fresh);
	json_free(old);
	return rc;
}
