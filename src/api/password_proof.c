/* The password as proof. How often it may be tried is the business of tries.c.
 */
#include <string.h>

#include "api/account.h"
#include "api/seat.h"
#include "api/tries.h"
#include "auth/password.h"
#include "config/config.h"
#include "util/log.h"

#define TOO_MANY_RETRY_S 1
#define SEAT_WAIT_MS 500

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

/*
 * As many more as there are seats may wait a moment for one, unless that could
 * take the whole pool away from those who poll.
 */
int
password_seat(struct call *c, bool known, int *seat, struct err *e)
{
	const struct config *cfg = c->api->cfg;
	struct seats s = { .state_dir = cfg->state_dir,
		.what = "sign-in",
		.count = cfg->sign_ins_at_once,
		.wait_ms = SEAT_WAIT_MS };
	struct seats kept = s;

	if (2 * s.count < cfg->api_workers)
		s.standing = s.count;
	kept.what = "sign-in-known";
	*seat = -2;
	/* Beside both there must be a worker for all else. */
	if (known && 3 * s.count < cfg->api_workers)
		*seat = seat_take(&kept, e);
	if (*seat == -2)
		*seat = seat_take(&s, e);
	if (*seat == -1)
		return -1;
	if (*seat != -2)
		return 0;
	call_refuse_for(c, TOO_MANY_RETRY_S, "Rate limit exceeded");
	return 1;
}

static struct password_cost
cost_of(const struct config *cfg)
{
	return (struct password_cost){
		(unsigned int)cfg->password_passes,
		(size_t)cfg->password_memory_mb << 20,
	};
}

/* Costs one hash, whatever comes of it. */
static bool
matches(const struct config *cfg, const struct credentials *in,
    const struct user_row *u)
{
	const struct password_cost cost = cost_of(cfg);

	if (u->password_hash[0] == '\0') {
		password_waste(in->password.s, in->password.len, &cost);
		return false;
	}
	return password_matches(u->password_hash, in->password.s,
		   in->password.len) &&
	    !u->disabled;
}

/*
 * A hash of another cost than is set now is made anew while the password is at
 * hand, so that a higher cost comes to protect those who are here already. That
 * it could not be done is logged; the next sign-in tries again.
 */
static void
renew_hash(struct call *c, const struct credentials *in,
    const struct user_row *u)
{
	const struct password_cost cost = cost_of(c->api->cfg);
	char hash[PASSWORD_HASH_TEXT];
	struct err e = { 0 };

	if (!password_outdated(u->password_hash, &cost))
		return;
	if (password_hash(hash, in->password.s, in->password.len, &cost, &e) ==
		-1 ||
	    user_rehash(c->api->db, u->id, u->password_hash, hash, &e) == -1)
		log_err(LOG_WARN, &e, "not-rehashed id=%s user=%s",
		    c->rq->request_id, u->id);
}

static int
failed(struct call *c, const struct credentials *in, const struct user_row *u,
    struct err *e)
{
	call_note(c, "sign-in-failed", u->id[0] != '\0' ? u->id : NULL,
	    in->email.len > 0 ? in->email.s : in->user_id.s);
	return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
}

/* In a seat: 0 with *good, 1 answered with 429, -1. */
static int
judge(struct call *c, const struct credentials *in, const struct user_row *u,
    bool known, bool *good, struct err *e)
{
	int rc, seat;

	if ((rc = password_seat(c, known, &seat, e)) != 0)
		return rc;
	*good = matches(c->api->cfg, in, u);
	if (*good)
		renew_hash(c, in, u);
	seat_leave(seat);
	return 0;
}

int
password_prove(struct call *c, const struct credentials *in, struct user_row *u,
    struct err *e)
{
	struct tries t;
	bool good = false;
	int rc;

	/* No such password can have been set; checking it would be free. */
	if (in->password.len > PASSWORD_MAX_BYTES)
		return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
	memset(u, 0, sizeof(*u));
	if (user_find(c->api->db, in, u, e) == -1) {
		if (e->kind != ERR_ABSENT)
			return -1;
		memset(u, 0, sizeof(*u));
	}
	if ((rc = tries_take(c, in, &t, e)) != 0)
		return rc;
	if ((rc = judge(c, in, u, t.known, &good, e)) != 0)
		return rc == -1 || tries_give_back(c, &t, e) == -1 ? -1 : 1;
	if (!good)
		return failed(c, in, u, e);
	if (tries_give_back(c, &t, e) == -1 || tries_know(c, in, e) == -1)
		return -1;
	return 0;
}
