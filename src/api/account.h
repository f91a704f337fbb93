#ifndef API_ACCOUNT_H
#define API_ACCOUNT_H

#include "api/body.h"
#include "api/call.h"
#include "auth/api_token.h"
#include "config/config.h"
#include "store/account.h"
#include "store/user.h"

/*
 * account: what the endpoints of signing in have in common.
 *
 * Functions that may answer by themselves return 1 then; 0: go on; -1: *e.
 */

/* True if AUTH_WAYS has it. */
static inline bool
call_way(const struct call *c, enum auth_way way)
{
	return (c->api->cfg->ways & way) != 0;
}

/* ------------------------------------------------------------ address.c */

/* True for a client on this machine. */
bool call_is_local(const struct call *c);

/* What counts as one address: an IPv4 address, or an IPv6 network of 64 bits
 * (who has one address there has all). */
#define ADDRESS_TEXT 64
void call_address(const struct call *c, char out[ADDRESS_TEXT]);

/* --------------------------------------------------------------- note.c */

/* Adds to the audit log. That it could not be is logged, and stops nothing. */
void call_note(struct call *c, const char *kind, const char *user_id,
    const char *detail);

/* ----------------------------------------------------- password_proof.c */

#define NOT_SIGNED_IN "Invalid login credentials"
#define EMAIL_MAX 320

/* Who says to be whom: one of user_id and email, or both. */
struct credentials {
	struct body_text user_id;
	struct body_text email;
	struct body_text password;
};

/*
 * Whether the password is his, within the limits. 0: *u is he. 1: answered
 * with 429. ERR_UNKNOWN NOT_SIGNED_IN: in one way, after the same work, for an
 * unknown user, a wrong password, a disabled account and one without a
 * password.
 */
int password_prove(struct call *c, const struct credentials *in,
    struct user_row *u, struct err *e) MUST_CHECK;

/*
 * One of the few places where a password may be hashed; as seat_take(), but
 * 1 when it has answered with 429. seat_leave(*seat) afterwards. Some are kept
 * for browsers and addresses that are known: strangers cannot fill them.
 */
int password_seat(struct call *c, bool known, int *seat,
    struct err *e) MUST_CHECK;

/* -------------------------------------------------------------- proof.c */

/*
 * Proves by any of AUTH_WAYS but the password that the client is the asked
 * user; sets c->user_id, c->sign_in and *u (contract 2.3, D9).
 */
int proof_check(struct call *c, const char *asked, struct user_row *u,
    struct err *e) MUST_CHECK;

/* who.c: likewise by an API token, which lies in token. */
int who_has_api_token(struct call *c, const struct jwt_text *token,
    struct err *e) MUST_CHECK;

/* ------------------------------------------------------------- cookie.c */

/* Gives the browser a session of c->user_id, if that way is allowed. */
int cookie_give(struct call *c, struct err *e) MUST_CHECK;

/* Takes it away again. */
void cookie_take(struct call *c);

/*
 * A second cookie, which tells one browser from another and proves nothing:
 * device_read() has that of the request, false and "" if there is none;
 * device_give() keeps it, or gives a new one.
 */
bool device_read(const struct call *c, char id[SESSION_ID_TEXT]);
void device_give(struct call *c, char id[SESSION_ID_TEXT]);

/*
 * The user whose session the request's cookie is, and the sign-in that it comes
 * from. 1; 0: none; -1: *e.
 */
int cookie_user(const struct call *c, char user_id[UUID_TEXT],
    struct sign_in *s, struct err *e) MUST_CHECK;

/* -------------------------------------------------------------- issue.c */

struct tokens {
	struct buf access;
	struct buf refresh; /* empty when it was not asked for */
	int64_t expires_at; /* of the access token */
	int64_t life_s;     /* of the access token */
};

/* clang-format off */
#define TOKENS_EMPTY { BUF(JWT_TOKEN_MAX), BUF(JWT_TOKEN_MAX), 0, 0 }
/* clang-format on */

/* Begins a new sign-in of a user of this epoch. */
void sign_in_begin(struct call *c, uint64_t epoch);

/*
 * What is left of life_s seconds for something that comes from c->sign_in: no
 * longer than that itself. ERR_UNKNOWN: it is over.
 */
int sign_in_life(const struct call *c, int64_t *life_s,
    struct err *e) MUST_CHECK;

/*
 * Issues them to c->user_id by c->sign_in; tokens_wipe() in any case. email may
 * be NULL.
 */
int tokens_issue(struct call *c, const char *email, bool with_refresh,
    struct tokens *t, struct err *e) MUST_CHECK;
void tokens_wipe(struct tokens *t);

/* A good refresh token that was not revoked, and whose it is; sets c->sign_in.
 */
int refresh_prove(struct call *c, const struct body_text *token,
    struct jwt_claims *claims, struct err *e) MUST_CHECK;

#endif
