#include <string.h>

#include "api/account.h"
#include "config/config.h"
#include "util/clock.h"

#define MINUTE_S 60LL
#define DAY_S (24 * 60 * MINUTE_S)

#define US_PER_S 1000000

void
sign_in_begin(struct call *c, uint64_t epoch)
{
	memset(&c->sign_in, 0, sizeof(c->sign_in));
	random_fill(c->sign_in.family, sizeof(c->sign_in.family));
	c->sign_in.epoch = epoch;
}

int
sign_in_life(const struct call *c, int64_t *life_s, struct err *e)
{
	int64_t left_s = c->sign_in.ends_s - clock_wall_us() / US_PER_S;

	if (c->sign_in.ends_s == 0)
		return 0;
	if (left_s < 1)
		return err_set(e, ERR_UNKNOWN, "Token has expired");
	if (left_s < *life_s)
		*life_s = left_s;
	return 0;
}

static int
issue(struct call *c, struct jwt_claims *claims, struct buf *token,
    struct err *e)
{
	int64_t life_s = claims->type == JWT_REFRESH
	    ? c->api->cfg->jwt_refresh_days * DAY_S
	    : c->api->cfg->jwt_access_minutes * MINUTE_S;

	if (sign_in_life(c, &life_s, e) == -1)
		return -1;
	memcpy(claims->user_id, c->user_id, sizeof(claims->user_id));
	if (jwt_issue(token, claims, &c->api->jwt, life_s, e) == -1)
		return -1;
	if (!buf_ok(token))
		return err_set(e, ERR_RETRY, "no memory for a token");
	return 0;
}

/* A new refresh token, on record before anybody sees it (D10). */
static int
issue_refresh(struct call *c, struct buf *token, struct err *e)
{
	struct jwt_claims claims = { .type = JWT_REFRESH };
	uint8_t jti_hash[SHA256_BYTES];

	if (issue(c, &claims, token, e) == -1)
		return -1;
	sha256(jti_hash, claims.jti, strlen(claims.jti));
	return refresh_token_add(c->api->db, jti_hash, c->user_id,
	    claims.exp - claims.iat, &c->sign_in, e);
}

int
tokens_issue(struct call *c, const char *email, bool with_refresh,
    struct tokens *t, struct err *e)
{
	struct jwt_claims claims = { .type = JWT_ACCESS, .email = email };

	if (issue(c, &claims, &t->access, e) == -1)
		return -1;
	t->expires_at = claims.exp;
	t->life_s = claims.exp - claims.iat;
	return with_refresh ? issue_refresh(c, &t->refresh, e) : 0;
}

void
tokens_wipe(struct tokens *t)
{
	buf_wipe(&t->access);
	buf_wipe(&t->refresh);
}

int
refresh_prove(struct call *c, const struct body_text *token,
    struct jwt_claims *claims, struct err *e)
{
	const struct jwt_want want = { &c->api->jwt, JWT_REFRESH };
	const struct jwt_text text = { token->s, token->len };
	uint8_t jti_hash[SHA256_BYTES];

	if (jwt_verify(claims, &want, &text, e) == -1)
		return -1;
	sha256(jti_hash, claims->jti, strlen(claims->jti));
	return refresh_token_check(c->api->db, jti_hash, claims->user_id,
	    &c->sign_in, e);
}
