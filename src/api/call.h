#ifndef API_CALL_H
#define API_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "agents/agent.h"
#include "api/api.h"
#include "auth/jwt.h"
#include "auth/seal.h"
#include "auth/token_cache.h"
#include "db/db.h"
#include "http/http.h"
#include "store/poke.h"
#include "store/user.h"
#include "util/encode.h"
#include "util/json.h"

/*
 * call: one request on its way through the api, and the process that it
 * passes through.
 */

struct provider;

struct api {
	const struct config *cfg;
	struct scoreboard *board; /* NULL: started alone */
	struct db_options db_options;
	struct db *db;
	struct jwt_key jwt;
	struct token_cache *tokens;
	struct provider *provider; /* NULL: no identity provider */
	struct agent_list agents;
	struct seal_public seal; /* key_id "" until the first start-task */
	struct poke *poke;
	enum api_part part;
	struct outbound *outbound; /* NULL until GitHub is called */
	struct buf openapi;        /* empty when the file was not there */
	bool (*client_there)(void *ctx);
	void *client_ctx;
};

struct route;

struct call {
	struct api *api;
	const struct http_request *rq;
	struct http_response *rs;
	const struct route *route; /* NULL: no such path or method */
	int64_t id;                /* of the path's <id> */
	char user_id[UUID_TEXT];   /* "" before the token was good */
	struct sign_in sign_in;    /* that tokens and sessions come from */
	struct json_object *body;  /* NULL: none, or one that says nothing */
};

/*
 * An endpoint: reads what was asked, does it, answers into c->rs. It never logs
 * and knows no status but 200 and those it refuses with.
 *
 * -1 with *e: becomes an answer by its kind, in one place (api.c). The texts of
 * ERR_INVALID, ERR_UNKNOWN, ERR_DENIED and ERR_ABSENT are shown to the client;
 * those of the other kinds are for the log alone.
 */
typedef int endpoint(struct call *c, struct err *e);

/*
 * Answers {"error":text} under a status that no kind of error stands for;
 * returns 0, for the request is answered.
 */
int call_refuse(struct call *c, int status, const char *text);

/* The same for 429, with the seconds after which it may work. */
int call_refuse_for(struct call *c, unsigned int retry_after_s,
    const char *text);

/* Whether the client still waits for this answer (F13). */
bool call_client_there(const struct call *c);

/* The answer to one that does not: nobody sees it but the log. */
int call_refuse_gone(struct call *c);

endpoint health_root;
endpoint health_ping;
endpoint health_alive;
endpoint health_ready;
endpoint health_mode;
endpoint health_openapi;
endpoint status_json;
endpoint status_metrics;
endpoint session_token;
endpoint session_refresh;
endpoint session_verify;
endpoint auth_token_post;
endpoint auth_signup_post;
endpoint auth_nothing_post;
endpoint auth_logout_post;
endpoint auth_user_read;
endpoint auth_authorize;
endpoint test_health_read;
endpoint test_users_read;
endpoint test_user_post;
endpoint test_cleanup_post;
endpoint test_user_delete;
endpoint test_token_post;
endpoint task_start_post;
endpoint task_cancel_post;
endpoint task_status_read;
endpoint task_list_read;
endpoint task_full_read;
endpoint task_diff_read;
endpoint task_patch_read;
endpoint task_events_read;
endpoint task_chat_post;
endpoint task_legacy_post;
endpoint token_validate_post;
endpoint pull_post;
endpoint project_list_read;
endpoint project_post;
endpoint project_read;
endpoint project_put;
endpoint project_remove;
endpoint project_tasks_read;
endpoint rest_tasks_read;

#endif
