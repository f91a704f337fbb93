#include "api/tries.h"

#include <string.h>

#include "auth/api_token.h"
#include "config/config.h"

#define NAME_MAX_BYTES (4 * (EMAIL_MAX + 1)) /* folding may lengthen it */
#define PART_MAX 2048

/*
 * The name that was typed, in the one spelling that stands for all that find
 * the same account. What can be nobody's is taken as it is.
 */
static int
fold_name(struct call *c, const struct credentials *in,
    char out[NAME_MAX_BYTES], struct err *e)
{
	const struct body_text *name =
	    in->email.len > 0 ? &in->email : &in->user_id;
	size_t n = name->len < NAME_MAX_BYTES ? name->len : NAME_MAX_BYTES - 1;
	char id[UUID_TEXT];

	if (in->email.len > 0 && in->email.len <= EMAIL_MAX)
		return user_email_folded(c->api->db, in->email.s, out,
		    NAME_MAX_BYTES, e);
	if (in->email.len == 0 && uuid_read(id, name->s)) {
		memcpy(out, id, sizeof(id));
		return 0;
	}
	memcpy(out, name->s, n);
	out[n] = '\0';
	return 0;
}

/* Each part behind its NUL, so that no two pairs make one text. */
static void
key_of(uint8_t key[SHA256_BYTES], const char *name, const char *where)
{
	struct buf b = BUF(2 * PART_MAX);

	buf_puts(&b, name);
	buf_putc(&b, '\0');
	buf_puts(&b, where);
	sha256(key, b.data != NULL ? b.data : "", b.len);
	buf_clear(&b);
}

static int
make_keys(struct call *c, const struct credentials *in,
    const char device[SESSION_ID_TEXT], uint8_t keys[COUNTED_N][SHA256_BYTES],
    struct err *e)
{
	char name[NAME_MAX_BYTES], address[ADDRESS_TEXT];

	if (fold_name(c, in, name, e) == -1)
		return -1;
	call_address(c, address);
	key_of(keys[BY_DEVICE], name, device);
	key_of(keys[BY_PAIR], name, address);
	key_of(keys[BY_ADDRESS], "", address);
	key_of(keys[BY_ACCOUNT], name, "");
	return 0;
}

static struct rate
rate_of(const struct tries *t, enum counted by, long limit)
{
	static const char *const kinds[COUNTED_N] = {
		[BY_DEVICE] = "device",
		[BY_PAIR] = "pair",
		[BY_ADDRESS] = "address",
		[BY_ACCOUNT] = "account",
	};

	return (struct rate){ .kind = kinds[by],
		.key = t->keys[by],
		.limit = limit,
		.eases = by == BY_ADDRESS || by == BY_ACCOUNT };
}

/* Which counters count, and which of them refuse. */
static void
choose(struct tries *t, const struct config *cfg, bool device_known,
    bool pair_known)
{
	const long limits[COUNTED_N] = {
		[BY_DEVICE] = cfg->sign_in_tries,
		[BY_PAIR] = cfg->sign_in_tries,
		[BY_ADDRESS] = cfg->sign_in_tries_address,
		[BY_ACCOUNT] = cfg->sign_in_tries_account,
	};

	for (enum counted by = 0; by < COUNTED_N; by++) {
		bool eased = by == BY_ADDRESS || by == BY_ACCOUNT;

		t->taken[by] = false;
		t->rates[by] = rate_of(t, by,
		    pair_known && eased ? RATE_NO_LIMIT : limits[by]);
		if ((by == BY_DEVICE) != device_known)
			t->rates[by].key = NULL; /* not asked */
	}
}

static int
prepare(struct call *c, const struct credentials *in, struct tries *t,
    struct err *e)
{
	char device[SESSION_ID_TEXT];
	bool has_device = device_read(c, device);
	int device_known = 0, pair_known;

	if (make_keys(c, in, device, t->keys, e) == -1)
		return -1;
	if (has_device &&
	    (device_known = rate_known(c->api->db, t->keys[BY_DEVICE], e)) ==
		-1)
		return -1;
	if ((pair_known = rate_known(c->api->db, t->keys[BY_PAIR], e)) == -1)
		return -1;
	choose(t, c->api->cfg, device_known == 1, pair_known == 1);
	t->known = device_known == 1 || pair_known == 1;
	return 0;
}

int
tries_give_back(struct call *c, const struct tries *t, struct err *e)
{
	for (enum counted by = 0; by < COUNTED_N; by++)
		if (t->taken[by] &&
		    rate_give_back(c->api->db, &t->rates[by], e) == -1)
			return -1;
	return 0;
}

int
tries_take(struct call *c, const struct credentials *in, struct tries *t,
    struct err *e)
{
	/* The address first: who is over there leaves no row for each name. */
	static const enum counted order[COUNTED_N] = { BY_ADDRESS, BY_DEVICE,
		BY_PAIR, BY_ACCOUNT };
	unsigned int wait_s = 1;
	int got;

	memset(t, 0, sizeof(*t));
	if (prepare(c, in, t, e) == -1)
		return -1;
	for (size_t i = 0; i < COUNTED_N; i++) {
		enum counted by = order[i];

		if (t->rates[by].key == NULL)
			continue;
		got = rate_take(c->api->db, &t->rates[by], &wait_s, e);
		if (got == -1)
			return -1;
		if (got == 0) {
			/* What is refused must not use up others' tries. */
			if (tries_give_back(c, t, e) == -1)
				return -1;
			call_refuse_for(c, wait_s, "Rate limit exceeded");
			return 1;
		}
		t->taken[by] = true;
	}
	return 0;
}

int
tries_know(struct call *c, const struct credentials *in, struct err *e)
{
	uint8_t keys[COUNTED_N][SHA256_BYTES];
	char device[SESSION_ID_TEXT];

	device_give(c, device);
	if (make_keys(c, in, device, keys, e) == -1 ||
	    rate_know(c->api->db, keys[BY_DEVICE], e) == -1)
		return -1;
	return rate_know(c->api->db, keys[BY_PAIR], e);
}
