#include "api/api.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/body.h"
#include "api/call.h"
#include "api/cors.h"
#include "api/limits.h"
#include "api/outbound.h"
#include "api/provider.h"
#include "api/routes.h"
#include "api/seat.h"
#include "api/who.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define TOKENS_REMEMBERED 256 /* per worker; some 25 KiB */
#define OPENAPI_MAX ((size_t)1024 * 1024)

/* The description of the API is a convenience: without it all else works. */
static void
read_openapi(struct api *a)
{
	struct err e = { 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/openapi.json", a->cfg->share_dir);
	a->openapi.max = OPENAPI_MAX;
	if (file_read(AT_FDCWD, path, &a->openapi, &e) == 0)
		return;
	log_err(LOG_WARN, &e, "no-openapi path=" LOG_STR, log_str(path));
	buf_clear(&a->openapi);
}

static void
copy_settings(struct api *a)
{
	const struct config *cfg = a->cfg;

	a->jwt.secret = cfg->jwt_secret;
	a->jwt.secret_len = strlen(cfg->jwt_secret);
	a->jwt.leeway_s = (int)cfg->jwt_leeway_s;
	a->db_options.socket = cfg->db_socket;
	a->db_options.host = cfg->db_host;
	a->db_options.port = (unsigned int)cfg->db_port;
	a->db_options.name = cfg->db_name;
	a->db_options.user = cfg->db_user;
	a->db_options.password = cfg->db_password;
	a->db_options.ca_file = cfg->db_ca_file;
}

int
api_new(struct api **api, const struct config *cfg, struct scoreboard *board,
    struct err *e)
{
	struct api *a;
	int rc = -1;

	*api = NULL;
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return err_sys(e, ERR_RETRY, "api");
	a->cfg = cfg;
	a->board = board;
	copy_settings(a);
	if (encode_init(e) == -1 || jwt_key_check(&a->jwt, e) == -1)
		goto out;
	if (token_cache_new(&a->tokens, TOKENS_REMEMBERED, e) == -1)
		goto out;
	if (agent_models_check(cfg->agent_models, e) == -1 ||
	    agent_list_read(&a->agents, cfg->share_dir, e) == -1 ||
	    agent_list_offer(&a->agents, cfg->agents, e) == -1)
		goto out;
	if (provider_new(&a->provider, cfg, e) == -1)
		goto out;
	if (poke_open(&a->poke, cfg->state_dir, e) == -1)
		goto out;
	if (db_open(&a->db, &a->db_options, e) == -1)
		goto out;
	read_openapi(a);
	*api = a;
	a = NULL;
	rc = 0;
out:
	api_free(a);
	return rc;
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	outbound_close(api);
	db_close(api->db);
	poke_close(api->poke);
	provider_free(api->provider);
	agent_list_clear(&api->agents);
	token_cache_free(api->tokens);
	buf_clear(&api->openapi);
	free(api);
}

void
api_set_client_check(struct api *api, bool (*there)(void *ctx), void *ctx)
{
	api->client_there = there;
	api->client_ctx = ctx;
}

void
api_take_part(struct api *api, enum api_part part)
{
	api->part = part;
}

/* Returns 1 with c->body, 0 when the body was refused, -1 with *e. */
static int
take_body(struct call *c, struct err *e)
{
	const struct http_request *rq = c->rq;

	if (!body_type_is_json(rq->content_type)) {
		call_refuse(c, 415, "Content-Type must be application/json");
		return 0;
	}
	if (body_read(&c->body, rq->body, rq->body_len, e) == -1)
		return -1;
	if (c->body == NULL && (c->route->flags & NEED_DATA) != 0)
		return err_set(e, ERR_INVALID, "No data provided");
	return 1;
}

/* What may be done as often as this is, with a body that can be read. */
static int
run_limited(struct call *c, struct err *e)
{
	unsigned int flags = c->route->flags;
	int limited, go_on = 1;

	if ((limited = limits_route(c, e)) != 0)
		return limited == 1 ? 0 : -1;
	if ((flags & NEED_BODY) != 0 && (go_on = take_body(c, e)) == -1)
		return -1;
	return go_on ? c->route->run(c, e) : 0;
}

/* While this stood in line its client may have left. */
static int
run_outbound(struct call *c, struct err *e)
{
	int limited, rc, seat;

	if (!call_client_there(c))
		return call_refuse_gone(c);
	if ((limited = limits_outbound(c, &seat, e)) != 0)
		return limited == 1 ? 0 : -1;
	rc = run_limited(c, e);
	seat_leave(seat);
	return rc;
}

static int
run(struct call *c, struct err *e)
{
	unsigned int flags = c->route->flags;

	if ((flags & (NEED_USER | NEED_TOKEN)) != 0 && who_asks(c, e) == -1)
		return -1;
	return (flags & OUTBOUND) != 0 ? run_outbound(c, e) : run_limited(c, e);
}

static bool
is_ours(const struct call *c)
{
	bool outbound = (c->route->flags & OUTBOUND) != 0;

	return c->api->part == API_ALL ||
	    outbound == (c->api->part == API_OUTBOUND);
}

/* The web server has the wrong socket for this path. */
static void
misdirect(struct call *c)
{
	log_line(LOG_ERROR,
	    "misdirected id=%s path=" LOG_STR " wanted=%s: see nginx/snippets",
	    c->rq->request_id, log_str(c->rq->path),
	    c->api->part == API_OUTBOUND ? "API_SOCKET" : "OUTBOUND_SOCKET");
	call_refuse(c, 421, "Misdirected request");
}

/* What does not exist here. */
static unsigned int
hidden_routes(const struct config *cfg)
{
	return strcmp(cfg->environment, "production") == 0 ? TESTS_ONLY : 0;
}

/* No endpoint for this path and method. */
static void
turn_away(struct call *c, enum route_found found)
{
	char allow[ROUTE_ALLOW_MAX];

	if (found == ROUTE_ABSENT) {
		call_refuse(c, 404, "Not found");
		return;
	}
	route_allow(c->rq->path, hidden_routes(c->api->cfg), allow);
	http_response_header(c->rs, "Allow", allow);
	if (c->rq->method == HTTP_OPTIONS)
		c->rs->status = 204; /* no other origin's preflight (D6) */
	else
		call_refuse(c, 405, "Method not allowed");
}

void
api_handle(struct api *api, const struct http_request *rq,
    struct http_response *rs)
{
	struct call c = { .api = api, .rq = rq, .rs = rs };
	int64_t began_us = clock_mono_us();
	struct err e = { 0 };
	enum route_found found;

	answer_begin(&c);
	found = route_find(rq->method, rq->path, hidden_routes(api->cfg),
	    &c.route, &c.id);
	if (cors_answer(&c))
		c.rs->status = 204;
	else if (found != ROUTE_FOUND)
		turn_away(&c, found);
	else if (!is_ours(&c))
		misdirect(&c);
	else if (run(&c, &e) == -1)
		answer_error(&c, &e);
	answer_end(&c, began_us);
	json_free(c.body);
}
