/*
 * /auth/v1: what the front end asks its Supabase address for, contract 8.3, so
 * that with our origin as that address it needs no Supabase. A sign-in also
 * gives the browser a session, which then proves who asks for
 * /api/auth/token (D9).
 */
#include <stdio.h>
#include <string.h>

#include "api/account.h"
#include "api/answer.h"
#include "api/seat.h"
#include "api/tries.h"
#include "api/who.h"
#include "auth/password.h"
#include "store/rate.h"
#include "util/clock.h"

#define GRANT_MAX 40
#define SIGN_UPS_PER_ADDRESS 20

static void
put_user(struct json_out *j, const struct user_row *u)
{
	json_open(j);
	json_name_text(j, "id", u->id);
	json_name_text(j, "aud", JWT_ROLE);
	json_name_text(j, "role", JWT_ROLE);
	json_name_text(j, "email", u->email);
	json_name(j, "app_metadata");
	json_open(j);
	json_close(j);
	json_name(j, "user_metadata");
	json_open(j);
	json_close(j);
	json_name_text(j, "created_at", u->created_at);
	json_close(j);
}

/* A session object. refresh NULL: a new refresh token. */
static int
answer_session(struct call *c, const struct user_row *u,
    const struct body_text *refresh, struct err *e)
{
	struct tokens t = TOKENS_EMPTY;
	struct json_out j;
	int rc = -1;

	if (tokens_issue(c, u->email, refresh == NULL, &t, e) == -1)
		goto out;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_string(&j, "access_token", t.access.data, t.access.len);
	json_name_text(&j, "token_type", "bearer");
	json_name_int(&j, "expires_in", t.life_s);
	json_name_int(&j, "expires_at", t.expires_at);
	json_name_string(&j, "refresh_token",
	    refresh != NULL ? refresh->s : t.refresh.data,
	    refresh != NULL ? refresh->len : t.refresh.len);
	json_name(&j, "user");
	put_user(&j, u);
	json_close(&j);
	rc = 0;
out:
	tokens_wipe(&t);
	return rc;
}

/* E-mail and password; 1: they are missing, and that is answered. */
static int
read_pair(struct call *c, struct credentials *in, struct err *e)
{
	memset(in, 0, sizeof(*in));
	if (body_string(c->body, "user_id", &in->user_id, e) == -1 ||
	    body_string(c->body, "email", &in->email, e) == -1 ||
	    body_string(c->body, "password", &in->password, e) == -1)
		return -1;
	in->user_id = (struct body_text){ "", 0 };
	if (in->email.len > 0 && in->password.len > 0)
		return 0;
	answer_auth_error(c, 400, "validation_failed",
	    "email and password are required");
	return 1;
}

static int
no_passwords(struct call *c)
{
	return answer_auth_error(c, 422, "email_provider_disabled",
	    "Email logins are disabled");
}

static int
begin_session(struct call *c, const struct user_row *u, const char *kind,
    struct err *e)
{
	memcpy(c->user_id, u->id, sizeof(c->user_id));
	sign_in_begin(c, u->epoch);
	if (cookie_give(c, e) == -1 || answer_session(c, u, NULL, e) == -1)
		return -1;
	call_note(c, kind, c->user_id, "password");
	return 0;
}

static int
by_password(struct call *c, struct err *e)
{
	struct credentials in;
	struct user_row user;
	int rc;

	if (!call_way(c, WAY_PASSWORD))
		return no_passwords(c);
	if ((rc = read_pair(c, &in, e)) != 0)
		return rc == 1 ? 0 : -1;
	if ((rc = password_prove(c, &in, &user, e)) == 1)
		return 0;
	if (rc == -1 && e->kind == ERR_UNKNOWN)
		return answer_auth_error(c, 400, "invalid_credentials",
		    e->text);
	return rc == -1 ? -1 : begin_session(c, &user, "sign-in", e);
}

/*
 * The same refresh token stays good (D10); one that is past half its life is
 * answered with a new one, so that who keeps coming stays signed in.
 */
static bool
is_old(const struct jwt_claims *claims, const struct call *c)
{
	const int64_t half_s = c->api->cfg->jwt_refresh_days * 86400 / 2;
	const int64_t now_s = clock_wall_us() / 1000000;

	return now_s - claims->iat > half_s;
}

static int
by_refresh_token(struct call *c, struct err *e)
{
	char in_cookie[UUID_TEXT] = "";
	struct jwt_claims claims;
	struct body_text token;
	struct sign_in other;
	struct user_row user;

	if (body_string(c->body, "refresh_token", &token, e) == -1)
		return -1;
	if (refresh_prove(c, &token, &claims, e) == -1)
		return e->kind != ERR_UNKNOWN
		    ? -1
		    : answer_auth_error(c, 400, "refresh_token_not_found",
			  e->text);
	if (user_find_by_id(c->api->db, claims.user_id, &user, e) == -1 ||
	    cookie_user(c, in_cookie, &other, e) == -1)
		return -1;
	memcpy(c->user_id, user.id, sizeof(c->user_id));
	/* A browser that lost its cookie gets one; the old one is renewed. */
	if ((strcmp(in_cookie, user.id) != 0 || is_old(&claims, c)) &&
	    cookie_give(c, e) == -1)
		return -1;
	return answer_session(c, &user, is_old(&claims, c) ? NULL : &token, e);
}

/* POST /auth/v1/token */
int
auth_token_post(struct call *c, struct err *e)
{
	char grant[GRANT_MAX] = "";

	if (http_query_get(c->rq->query, "grant_type", grant, sizeof(grant))) {
		if (strcmp(grant, "password") == 0)
			return by_password(c, e);
		if (strcmp(grant, "refresh_token") == 0)
			return by_refresh_token(c, e);
	}
	return answer_auth_error(c, 400, "validation_failed",
	    "unsupported grant_type");
}

/* An address as a mail program would take it, roughly; nothing is sent. */
static bool
email_plain(const struct body_text *email)
{
	const char *at = memchr(email->s, '@', email->len);

	if (at == NULL || at == email->s || at[1] == '\0' ||
	    email->len > EMAIL_MAX)
		return false;
	for (size_t i = 0; i < email->len; i++)
		if ((unsigned char)email->s[i] <= ' ' || email->s[i] == 0x7f)
			return false;
	return true;
}

/* Hashing costs: a stranger gets a few a quarter of an hour. */
static int
sign_up_limit(struct call *c, struct err *e)
{
	char address[ADDRESS_TEXT];
	uint8_t key[SHA256_BYTES];
	struct rate rate = { .kind = "signup",
		.key = key,
		.limit = SIGN_UPS_PER_ADDRESS };
	unsigned int wait_s = 1;
	int got;

	call_address(c, address);
	sha256(key, address, strlen(address));
	got = rate_take(c->api->db, &rate, &wait_s, e);
	if (got != 0)
		return got == -1 ? -1 : 0;
	call_refuse_for(c, wait_s, "Rate limit exceeded");
	return 1;
}

static int
hash_password(struct call *c, const struct body_text *password,
    char hash[PASSWORD_HASH_TEXT], struct err *e)
{
	const struct password_cost cost = {
		(unsigned int)c->api->cfg->password_passes,
		(size_t)c->api->cfg->password_memory_mb << 20,
	};
	int rc, seat;

	if ((rc = password_seat(c, false, &seat, e)) != 0)
		return rc;
	rc = password_hash(hash, password->s, password->len, &cost, e);
	seat_leave(seat);
	return rc;
}

static int
not_added(struct call *c, struct err *e)
{
	if (e->kind == ERR_CONFLICT)
		return answer_auth_error(c, 422, "user_already_exists",
		    "User already registered");
	if (e->kind == ERR_DENIED)
		return answer_auth_error(c, 422, "signup_disabled",
		    "Signups not allowed for this address");
	return -1;
}

static int
sign_up(struct call *c, const struct credentials *in, bool invited,
    struct err *e)
{
	char hash[PASSWORD_HASH_TEXT], id[UUID_TEXT];
	struct user_row user;
	int rc;

	if ((rc = hash_password(c, &in->password, hash, e)) != 0)
		return rc == 1 ? 0 : -1;
	uuid_new(id);
	if (user_sign_up(c->api->db, id, in->email.s, hash, invited, e) == -1)
		return not_added(c, e);
	if (user_find_by_id(c->api->db, id, &user, e) == -1 ||
	    tries_know(c, in, e) == -1)
		return -1;
	return begin_session(c, &user, "sign-up", e);
}

/* POST /auth/v1/signup */
int
auth_signup_post(struct call *c, struct err *e)
{
	const char *who = c->api->cfg->sign_up;
	struct credentials in;
	int rc;

	if (strcmp(who, "closed") == 0)
		return answer_auth_error(c, 422, "signup_disabled",
		    "Signups not allowed for this instance");
	if (!call_way(c, WAY_PASSWORD))
		return no_passwords(c);
	if ((rc = read_pair(c, &in, e)) != 0)
		return rc == 1 ? 0 : -1;
	if (!email_plain(&in.email))
		return answer_auth_error(c, 400, "email_address_invalid",
		    "Unable to validate email address: invalid format");
	if (password_check(in.password.s, in.password.len, e) == -1)
		return answer_auth_error(c, 422, "weak_password", e->text);
	if ((rc = sign_up_limit(c, e)) != 0)
		return rc == 1 ? 0 : -1;
	return sign_up(c, &in, strcmp(who, "invited") == 0, e);
}

/* POST /auth/v1/recover and /otp: this server sends no mail. */
int
auth_nothing_post(struct call *c, struct err *e)
{
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_close(&j);
	return 0;
}

/* GET /auth/v1/user */
int
auth_user_read(struct call *c, struct err *e)
{
	struct user_row user;
	struct json_out j;

	if (user_find_by_id(c->api->db, c->user_id, &user, e) == -1)
		return -1;
	json_start(&j, &c->rs->body);
	put_user(&j, &user);
	return 0;
}

/*
 * POST /auth/v1/logout: by token or by cookie; whichever scope is asked for,
 * all of the user's sessions end.
 */
int
auth_logout_post(struct call *c, struct err *e)
{
	int got;

	if (who_asks(c, e) == -1) {
		struct err none = { 0 };

		if (e->kind != ERR_UNKNOWN)
			return -1;
		if ((got = cookie_user(c, c->user_id, &c->sign_in, &none)) !=
		    1) {
			c->user_id[0] = '\0';
			if (got == -1)
				*e = none;
			return -1;
		}
	}
	if (user_sign_out(c->api->db, c->user_id, e) == -1)
		return -1;
	call_note(c, "sign-out", c->user_id, NULL);
	cookie_take(c);
	c->rs->status = 204;
	return 0;
}

/*
 * Where a visit goes back to: redirect_to, when it is on an origin that is
 * listed; else its path alone, so that nobody is ever sent to a stranger's
 * site from here. What does not fit into the header is "/".
 */
static void
place_of(const struct call *c, struct buf *out)
{
	char to[512];
	const char *host, *path;

	if (!http_query_get(c->rq->query, "redirect_to", to, sizeof(to)))
		to[0] = '\0';
	to[strcspn(to, "#?\\")] = '\0';
	host = strstr(to, "://");
	path = host != NULL ? strchr(host + 3, '/') : to;
	if (host != NULL) {
		buf_add(out, to,
		    path != NULL ? (size_t)(path - to) : strlen(to));
		if (!buf_ok(out) || out->data == NULL ||
		    !config_origin_listed(c->api->cfg, out->data))
			buf_reset(out);
	}
	if (path != NULL && path[0] == '/' && path[1] != '/')
		buf_puts(out, path);
	else
		buf_putc(out, '/');
	if (!buf_ok(out)) {
		buf_reset(out);
		buf_putc(out, '/');
	}
}

/* GET /auth/v1/authorize: back at once, for there is no provider to go to. */
int
auth_authorize(struct call *c, struct err *e)
{
	static const char error[] =
	    "#error=server_error&error_code=provider_disabled"
	    "&error_description=No+provider+is+configured";
	struct buf place = BUF(sizeof(c->rs->headers[0].value) - sizeof(error));
	char to[sizeof(c->rs->headers[0].value)];
	struct json_out j;

	place_of(c, &place);
	if (!buf_ok(&place)) {
		buf_clear(&place);
		return err_set(e, ERR_RETRY, "out of memory");
	}
	(void)snprintf(to, sizeof(to), "%s%s", place.data, error);
	buf_clear(&place);
	http_response_header(c->rs, "Location", to);
	c->rs->status = 302;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_close(&j);
	return 0;
}
