/*
 * Tokens for the front end, refreshing and verifying: contract 2.3 to 2.5.
 */
#include <string.h>

#include "api/account.h"

static int
answer_tokens(struct call *c, const char *email, bool with_refresh,
    struct err *e)
{
	struct tokens t = TOKENS_EMPTY;
	struct json_out j;
	int rc = -1;

	if (tokens_issue(c, email, with_refresh, &t, e) == -1)
		goto out;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_string(&j, "access_token", t.access.data, t.access.len);
	if (with_refresh)
		json_name_string(&j, "refresh_token", t.refresh.data,
		    t.refresh.len);
	json_name_int(&j, "expires_in", t.life_s);
	json_close(&j);
	rc = 0;
out:
	tokens_wipe(&t);
	return rc;
}

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
	/* Other proofs are of a user_id, and an address is none of it. */
	if (in->user_id.len == 0 && in->password.len == 0)
		return err_set(e, ERR_INVALID,
		    "password is required with email");
	return 0;
}

static int
by_password(struct call *c, const struct credentials *in, struct err *e)
{
	struct user_row user;
	int rc = password_prove(c, in, &user, e);

	if (rc != 0)
		return rc == 1 ? 0 : -1;
	memcpy(c->user_id, user.id, sizeof(c->user_id));
	sign_in_begin(c, user.epoch);
	call_note(c, "sign-in", c->user_id, "password");
	return answer_tokens(c, user.email, true, e);
}

/* POST /api/auth/token: only for whom it is proven (D9). */
int
session_token(struct call *c, struct err *e)
{
	struct credentials in;
	struct user_row user;
	int rc;

	if (credentials_read(&in, c, e) == -1)
		return -1;
	if (in.password.len > 0 && call_way(c, WAY_PASSWORD))
		return by_password(c, &in, e);
	if ((rc = proof_check(c, in.user_id.s, &user, e)) != 0)
		return rc == 1 ? 0 : -1;
	return answer_tokens(c, user.email, true, e);
}

/* POST /api/auth/refresh: the refresh token itself stays as it is (D10). */
int
session_refresh(struct call *c, struct err *e)
{
	struct jwt_claims claims;
	struct body_text token;

	if (body_string(c->body, "refresh_token", &token, e) == -1)
		return -1;
	if (token.len == 0)
		return err_set(e, ERR_INVALID, "refresh_token is required");
	if (refresh_prove(c, &token, &claims, e) == -1)
		return -1;
	memcpy(c->user_id, claims.user_id, sizeof(c->user_id));
	return answer_tokens(c, NULL, false, e);
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
