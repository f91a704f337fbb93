#include "api/cors.h"

#include "config/config.h"

#define METHODS "GET, POST, PUT, DELETE"
/* What the front end, supabase-js and programs send; X-User-ID is never read.
 */
#define HEADERS                                                  \
	"Authorization, Content-Type, Idempotency-Key, apikey, " \
	"x-client-info, x-supabase-api-version, accept-profile, prefer"
#define SHOWN "Retry-After, X-Request-Id, X-Supabase-Api-Version"
#define MAX_AGE_S "600"

bool
cors_answer(struct call *c)
{
	const struct config *cfg = c->api->cfg;

	if (cfg->cors_origins[0] == '\0')
		return false;
	/* Also where nothing is allowed: caches must not mix the two up. */
	http_response_header(c->rs, "Vary", "Origin");
	if (!config_origin_listed(cfg, c->rq->origin))
		return false;
	http_response_header(c->rs, "Access-Control-Allow-Origin",
	    c->rq->origin);
	http_response_header(c->rs, "Access-Control-Allow-Credentials", "true");
	if (c->rq->method != HTTP_OPTIONS) {
		http_response_header(c->rs, "Access-Control-Expose-Headers",
		    SHOWN);
		return false;
	}
	http_response_header(c->rs, "Access-Control-Allow-Methods", METHODS);
	http_response_header(c->rs, "Access-Control-Allow-Headers", HEADERS);
	http_response_header(c->rs, "Access-Control-Max-Age", MAX_AGE_S);
	return true;
}
