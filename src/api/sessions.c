/*
 * Signing in, refreshing and verifying: contract 2.3 to 2.5.
 *
 * A sign-in is worth exactly one bit to whoever tries: an unknown user, a wrong
 * password, a disabled account and one without a password are the same answer
 * after the same work.
 */
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/seat.h"
#include "auth/password.h"
#include "store/user.h"

#define MINUTE_S 60LL
#define DAY_S (24 * 60 * MINUTE_S)
#define EMAIL_MAX 320
#define TOO_MANY_RETRY_S 1
#define SEAT_WAIT_MS 500
#define NOT_SIGNED_IN "Invalid login credentials"

/* Who wants to sign in, from the body. */
struct credentials {
	struct body_text user_id;
	struct body_text email;
	struct body_text password;
};

static int
credentials_read(struct credentials *in, struct call *c, struct err *e)
{
	if (body_string(c->body, "user_id", &in->user_id, e) == -1 ||
	    body_string(c->body, "email", &in->email, e) == -1)
		return -1;
	if (in->user_id.len == 0 && in->email.len == 0)
		return err_set(e, ERR_INVALID, "user_id is required");
	if (body_string(c->body, "password", &in->password, e) == -1)
		return -1;
	if (in->password.len == 0)
		return err_set(e, ERR_UNKNOWN, "Authentication required");
	/* No such password can have been set; checking it would be free. */
	if (in->password.len > PASSWORD_MAX_BYTES)
		return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
	return 0;
}

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

/* Proves the password; each way through costs one hash. */
static int
prove(const struct call *c, const struct credentials *in, struct user_row *u,
    struct err *e)
{
	const struct config *cfg = c->api->cfg;
	const struct password_cost cost = {
		(unsigned int)cfg->password_passes,
		(size_t)cfg->password_memory_mb << 20,
	};
	bool good;

	memset(u, 0, sizeof(*u));
	if (user_find(c->api->db, in, u, e) == -1) {
		if (e->kind != ERR_ABSENT)
			return -1;
		u->password_hash[0] = '\0';
	}
	if (u->password_hash[0] == '\0') {
		password_waste(in->password.s, in->password.len, &cost);
		return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
	}
	good = password_matches(u->password_hash, in->password.s,
	    in->password.len);
	if (!good || u->disabled)
		return err_set(e, ERR_UNKNOWN, NOT_SIGNED_IN);
	return 0;
}

static int64_t
access_life_s(const struct config *cfg)
{
	return cfg->jwt_access_minutes * MINUTE_S;
}

static int
issue(struct call *c, struct jwt_claims *claims, struct buf *token,
    struct err *e)
{
	const struct config *cfg = c->api->cfg;
	int64_t life_s = claims->type == JWT_REFRESH
	    ? cfg->jwt_refresh_days * DAY_S
	    : access_life_s(cfg);

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
	    claims.exp - claims.iat, e);
}

static int
answer_tokens(struct call *c, bool with_refresh, struct err *e)
{
	struct jwt_claims claims = { .type = JWT_ACCESS };
	struct buf access = BUF(JWT_TOKEN_MAX);
	struct buf refresh = BUF(JWT_TOKEN_MAX);
	struct json_out j;
	int rc = -1;

	if (issue(c, &claims, &access, e) == -1)
		goto out;
	if (with_refresh && issue_refresh(c, &refresh, e) == -1)
		goto out;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_string(&j, "access_token", access.data, access.len);
	if (with_refresh)
		json_name_string(&j, "refresh_token", refresh.data,
		    refresh.len);
	json_name_int(&j, "expires_in", access_life_s(c->api->cfg));
	json_close(&j);
	rc = 0;
out:
	buf_wipe(&access);
	buf_wipe(&refresh);
	return rc;
}

/*
 * A seat for one password check. As many more may wait a moment for one,
 * unless that could take the whole pool away from those who poll.
 */
static int
take_seat(const struct config *cfg, struct err *e)
{
	struct seats s = { .state_dir = cfg->state_dir,
		.what = "sign-in",
		.count = cfg->sign_ins_at_once,
		.wait_ms = SEAT_WAIT_MS };

	if (2 * s.count < cfg->api_workers)
		s.standing = s.count;
	return seat_take(&s, e);
}

/* POST /api/auth/token: the password is the proof (D9). */
int
session_token(struct call *c, struct err *e)
{
	struct credentials in;
	struct user_row user;
	int seat;
	int proved;

	if (credentials_read(&in, c, e) == -1)
		return -1;
	if ((seat = take_seat(c->api->cfg, e)) == -1)
		return -1;
	if (seat == -2)
		return call_refuse_for(c, TOO_MANY_RETRY_S,
		    "Rate limit exceeded");
	proved = prove(c, &in, &user, e);
	seat_leave(seat);
	if (proved == -1)
		return -1;
	memcpy(c->user_id, user.id, sizeof(c->user_id));
	return answer_tokens(c, true, e);
}

/* POST /api/auth/refresh: the refresh token itself stays as it is (D10). */
int
session_refresh(struct call *c, struct err *e)
{
	struct jwt_want want = { &c->api->jwt, JWT_REFRESH };
	struct jwt_claims claims;
	uint8_t jti_hash[SHA256_BYTES];
	struct body_text token;
	struct jwt_text text;

	if (body_string(c->body, "refresh_token", &token, e) == -1)
		return -1;
	if (token.len == 0)
		return err_set(e, ERR_INVALID, "refresh_token is required");
	text.text = token.s;
	text.len = token.len;
	if (jwt_verify(&claims, &want, &text, e) == -1)
		return -1;
	sha256(jti_hash, claims.jti, strlen(claims.jti));
	if (refresh_token_check(c->api->db, jti_hash, claims.user_id, e) == -1)
		return -1;
	memcpy(c->user_id, claims.user_id, sizeof(c->user_id));
	return answer_tokens(c, false, e);
}

/* GET /api/auth/verify: to be here is the proof. */
int
session_verify(struct call *c, struct err *e)
{
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_bool(&j, "valid", true);
	json_name_text(&j, "user_id", c->user_id);
	json_close(&j);
	return 0;
}
