/*
 * The password as proof, and how often it may be tried.
 *
 * Tries are counted by address, by account and address together, and by
 * account. Only the second can shut anybody out, and only there where the
 * failures came from: nobody can lock a user out from elsewhere. The third
 * slows strangers down when one account is attacked from many addresses;
 * addresses from which the account has signed in lately are let by.
 */
#include <string.h>

#include "api/account.h"
#include "api/seat.h"
#include "auth/password.h"
#include "config/config.h"
#include "store/rate.h"

#define TOO_MANY_RETRY_S 1
#define SEAT_WAIT_MS 500

enum counted {
	BY_ADDRESS,
	BY_PAIR,
	BY_ACCOUNT,
	COUNTED_N
};

struct tries {
	uint8_t keys[COUNTED_N][SHA256_BYTES];
	struct rate rates[COUNTED_N];
	bool known;
};

/* Finds the user whom id and e-mail both name. ERR_ABSENT: nobody. */
static int
user_find(struct db *db, const struct credentials *in, struct user_row *u,
    struct err *e)
{
	char id[UUID_TEXT] = "";

	if (in->user_id.len > 0 && !uuid_read(id, in->user_id.s))
		return err_set(e, ERR_ABSENT, "not a UUID");
	if (in->email.len > EMAIL_MAX)
		return err_set(e, ERR_ABSENT, "no such address");
	if (in->email.len == 0)
		return user_find_by_id(db, id, u, e);
	if (user_find_by_email(db, in->email.s, u, e) == -1)
		return -1;
	if (id[0] != '\0' && strcmp(id, u->id) != 0)
		return err_set(e, ERR_ABSENT, "not this user's address");
	return 0;
}

/* Each part behind its NUL, so that no two pairs make one text. */
static void
key_of(uint8_t key[SHA256_BYTES], const char *account, const char *address)
{
	struct buf b = BUF(4096);

	buf_add(&b, account, strnlen(account, 1024));
	buf_putc(&b, '\0');
	buf_puts(&b, address);
	sha256(key, b.data != NULL ? b.data : "", b.len);
	buf_clear(&b);
}

static void
prepare_tries(struct tries *t, const struct call *c, const char *account)
{
	const struct config *cfg = c->api->cfg;
	char address[ADDRESS_TEXT];

	call_address(c, address);
	key_of(t->keys[BY_ADDRESS], "", address);
	key_of(t->keys[BY_PAIR], account, address);
	key_of(t->keys[BY_ACCOUNT], account, "");
	t->rates[BY_ADDRESS] = (struct rate){ "address", t->keys[BY_ADDRESS],
		cfg->sign_in_tries_address, false };
	t->rates[BY_PAIR] = (struct rate){ "pair", t->keys[BY_PAIR],
		cfg->sign_in_tries, false };
	t->rates[BY_ACCOUNT] = (struct rate){ "account", t->keys[BY_ACCOUNT],
		cfg->sign_in_tries_account, true };
}

/* The first n turned out not to be failures. */
static int
give_back(struct call *c, const struct tries *t, int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		if (i == BY_ACCOUNT && t->known)
			continue;
		if (rate_give_back(c->api->db, &t->rates[i], e) == -1)
			return -1;
	}
	return 0;
}

/* Counts a try before it is judged, so that many at once are counted too. */
static int
take_try(struct call *c, struct tries *t, struct err *e)
{
	unsigned int wait_s = 1;
	int known, got;

	if ((known = rate_known(c->api->db, t->keys[BY_PAIR], e)) == -1)
		return -1;
	t->known = known == 1;
	for (int i = 0; i < COUNTED_N; i++) {
		if (i == BY_ACCOUNT && t->known)
			continue;
		got = rate_take(c->api->db, &t->rates[i], &wait_s, e);
		if (got == -1)
			return -1;
		if (got == 1)
			continue;
		/* What is refused must not use up others' tries. */
		if (give_back(c, t, i, e) == -1)
			return -1;
		call_refuse_for(c, wait_s, "Rate limit exceeded");
		return 1;
	}
	return 0;
}

/*
 * As many more as there are seats may wait a moment for one, unless that could
 * take the whole pool away from those who poll.
 */
int
password_seat(struct call *c, int *seat, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	struct seats s = { .state_dir = cfg->state_dir,
		.what = "sign-in",
		.count = cfg->sign_ins_at_once,
		.wait_ms = SEAT_WAIT_MS };

	if (2 * s.count < cfg->api_workers)
		s.standing = s.count;
	*seat = seat_take(&s, e);
	if (*seat == -1)
		return -1;
	if (*seat != -2)
		return 0;
	call_refuse_for(c, TOO_MANY_RETRY_S, "Rate limit exceeded");
	return 1;
}

/* Costs one hash, whatever comes of it. */
static bool
matches(const struct config *cfg, const struct credentials *in,
    const struct user_row *u)
{
	const struct password_cost cost = {
		(unsigned int)cfg->password_passes,
		(size_t)cfg->password_memory_mb << 20,
	};

	if (u->password_hash[0] == '\0') {
		password_waste(in->password.s, in->password.len, &cost);
		return false;
	}
	return password_matches(u->password_hash, in->password.s,
		   in->password.len) &&
	    !u->disabled;
}

static int
failed(struct call *c, const struct credentials *in, const struct user_row *u,
    struct err *e)
{
	call_note(c, "sign-in-failed", u->id[0] != '\0' ? u->id : NULL,
	    in->email.len > 0 ? in->email.s : in->user_id.s);
	return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
}

int
password_prove(struct call *c, const struct credentials *in, struct user_row *u,
    struct err *e)
{
	struct tries t = { 0 };
	bool good;
	int rc, seat;

	/* No such password can have been set; checking it would be free. */
	if (in->password.len > PASSWORD_MAX_BYTES)
		return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
	memset(u, 0, sizeof(*u));
	if (user_find(c->api->db, in, u, e) == -1) {
		if (e->kind != ERR_ABSENT)
			return -1;
		memset(u, 0, sizeof(*u));
	}
	prepare_tries(&t, c,
	    u->id[0] != '\0'        ? u->id
		: in->email.len > 0 ? in->email.s
				    : in->user_id.s);
	if ((rc = take_try(c, &t, e)) != 0)
		return rc;
	if ((rc = password_seat(c, &seat, e)) != 0)
		return rc == -1 || give_back(c, &t, COUNTED_N, e) == -1 ? -1
									: 1;
	good = matches(c->api->cfg, in, u);
	seat_leave(seat);
	if (!good)
		return failed(c, in, u, e);
	if (give_back(c, &t, COUNTED_N, e) == -1 ||
	    rate_know(c->api->db, t.keys[BY_PAIR], e) == -1)
		return -1;
	return 0;
}
