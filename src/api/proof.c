/*
 * Ways to prove who one is without a password: contract D9, in the order in
 * which they are looked at. A proof that is there decides; one that is wrong
 * is refused and not passed over, but for a cookie, which a browser sends
 * whether it is still good or not.
 */
#include <string.h>
#include <strings.h>

#include "api/account.h"
#include "api/limits.h"
#include "api/provider.h"
#include "auth/api_token.h"
#include "auth/bearer.h"
#include "config/config.h"
#include "util/log.h"

/* Tokens for one user in 15 minutes; a front end asks once a page. */
#define TOKENS_PER_USER 600

/* 1: c->user_id is proven; 0: this proof was not given; -1: *e. */
typedef int way_fn(struct call *c, const char *asked, struct err *e);

static int
by_session(struct call *c, const char *asked, struct err *e)
{
	(void)asked;
	return cookie_user(c, c->user_id, &c->sign_in, e);
}

static bool
is_bearer(const char *authorization)
{
	return strncasecmp(authorization, "bearer ", 7) == 0;
}

static int
by_bearer(struct call *c, const char *asked, struct err *e)
{
	struct jwt_text token;

	(void)asked;
	if (!is_bearer(c->rq->authorization))
		return 0;
	if (bearer_read(&token, c->rq->authorization, e) == -1)
		return -1;
	if (api_token_claims(token.text, token.len))
		return who_has_api_token(c, &token, e) == -1 ? -1 : 1;
	if (c->api->provider == NULL)
		return 0;
	return provider_user(c, &token, e) == -1 ? -1 : 1;
}

static int
by_proxy(struct call *c, const char *asked, struct err *e)
{
	(void)asked;
	if (c->rq->remote_user[0] == '\0')
		return 0;
	if (identity_find(c->api->db, IDENTITY_PROXY, c->rq->remote_user,
		c->user_id, e) == 0)
		return 1;
	if (e->kind != ERR_ABSENT)
		return -1;
	return err_set(e, ERR_UNKNOWN, "User not found");
}

/* For development: whoever is on this machine is whom he says to be. */
static int
by_nothing(struct call *c, const char *asked, struct err *e)
{
	(void)e;
	if (!call_is_local(c) || !uuid_read(c->user_id, asked))
		return 0;
	log_line(LOG_WARN, "sign-in without proof id=%s user=%s",
	    c->rq->request_id, c->user_id);
	return 1;
}

static const struct {
	enum auth_way way;
	const char *name;
	way_fn *prove;
} ways[] = {
	{ WAY_SESSION, "session", by_session },
	{ WAY_BEARER, "bearer", by_bearer },
	{ WAY_PROXY, "proxy", by_proxy },
	{ WAY_OPEN, "open", by_nothing },
};

#define WAYS_N (sizeof(ways) / sizeof(ways[0]))

static int
user_enabled(struct call *c, struct user_row *u, struct err *e)
{
	if (user_find_by_id(c->api->db, c->user_id, u, e) == -1)
		return e->kind == ERR_ABSENT
		    ? err_set(e, ERR_UNKNOWN, "User not found")
		    : -1;
	return u->disabled ? err_set(e, ERR_UNKNOWN, "User not found") : 0;
}

/*
 * Is the proven user the asked one, and still there? A session is a sign-in
 * already; by all other proofs one begins.
 */
static int
compare(struct call *c, const char *asked, size_t way, struct user_row *u,
    struct err *e)
{
	const struct sign_in proven = c->sign_in;
	char id[UUID_TEXT];
	int rc = limits_user(c, "token", TOKENS_PER_USER, e);

	if (rc != 0)
		return rc;
	if (!uuid_read(id, asked) || strcmp(id, c->user_id) != 0) {
		call_note(c, "sign-in-failed", c->user_id,
		    "asked for another user");
		c->user_id[0] = '\0';
		return err_set(e, ERR_DENIED,
		    "user_id does not match the signed-in user");
	}
	if (user_enabled(c, u, e) == -1) {
		c->user_id[0] = '\0';
		return -1;
	}
	if (ways[way].way != WAY_SESSION) {
		sign_in_begin(c, u->epoch);
		c->sign_in.api_token_id = proven.api_token_id;
		c->sign_in.ends_s = proven.ends_s;
	}
	call_note(c, "sign-in", c->user_id, ways[way].name);
	return 0;
}

int
proof_check(struct call *c, const char *asked, struct user_row *u,
    struct err *e)
{
	for (size_t i = 0; i < WAYS_N; i++) {
		int got;

		if (!call_way(c, ways[i].way))
			continue;
		if ((got = ways[i].prove(c, asked, e)) == -1)
			return -1;
		if (got == 1)
			return compare(c, asked, i, u, e);
	}
	c->user_id[0] = '\0';
	return err_set(e, ERR_UNKNOWN, "Authentication required");
}
