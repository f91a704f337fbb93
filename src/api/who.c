#include "api/who.h"

#include <string.h>

#include "api/account.h"
#include "api/routes.h"
#include "auth/api_token.h"
#include "auth/bearer.h"
#include "config/config.h"
#include "store/user.h"

static bool
only_reads(enum http_method method)
{
	return method == HTTP_GET || method == HTTP_HEAD;
}

int
who_has_api_token(struct call *c, const struct jwt_text *token, struct err *e)
{
	struct api_token_shown shown;
	uint8_t hash[SHA256_BYTES];

	if (!call_way(c, WAY_BEARER) ||
	    !api_token_hash(hash, token->text, token->len))
		return err_set(e, ERR_UNKNOWN, "Invalid API token");
	if (api_token_use(c->api->db, hash, &shown, e) == -1)
		return -1;
	memcpy(c->user_id, shown.user_id, sizeof(c->user_id));
	c->sign_in.api_token_id = shown.id;
	c->sign_in.ends_s = shown.ends_s;
	if (shown.first)
		call_note(c, "token-first-use", shown.user_id, "API token");
	if (shown.read_only && !only_reads(c->rq->method))
		return err_set(e, ERR_DENIED, "This token is read-only");
	return 0;
}

int
who_asks(struct call *c, struct err *e)
{
	struct jwt_want want = { &c->api->jwt, JWT_ACCESS };
	struct jwt_text token;
	struct jwt_claims claims;

	if (bearer_read(&token, c->rq->authorization, e) == -1)
		return -1;
	if (api_token_claims(token.text, token.len))
		return who_has_api_token(c, &token, e);
	if (token_cache_verify(c->api->tokens, &claims, &want, &token, e) == -1)
		return -1;
	if ((c->route->flags & NEED_USER) != 0 &&
	    user_check(c->api->db, claims.user_id, e) == -1)
		return -1;
	memcpy(c->user_id, claims.user_id, sizeof(c->user_id));
	return 0;
}
