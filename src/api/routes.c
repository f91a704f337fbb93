#include "api/routes.h"

#include <stdio.h>
#include <string.h>

#define ID_SEGMENT "<id>"
#define ID_LEN (sizeof(ID_SEGMENT) - 1)

/*
 * The whole API on one page. A path that is not here does not exist; the one
 * that is asked for most comes first.
 */
/* clang-format off */
const struct route api_routes[] = {
	{ HTTP_GET,  "/api/task-status/<id>",   NEED_TOKEN, task_status_read },
	{ HTTP_GET,  "/api/tasks/<id>/events",  NEED_TOKEN, task_events_read },
	{ HTTP_GET,  "/api/tasks",              NEED_USER,  task_list_read },
	{ HTTP_GET,  "/api/tasks/<id>",         NEED_USER,  task_full_read },
	{ HTTP_GET,  "/api/tasks/<id>/patch",   NEED_USER,  task_patch_read },
	{ HTTP_POST, "/api/tasks/<id>/cancel",  NEED_USER,  task_cancel_post },
	{ HTTP_GET,  "/api/git-diff/<id>",      NEED_USER,  task_diff_read },
	{ HTTP_POST, "/api/start-task",
	    NEED_USER | NEED_BODY | NEED_DATA,              task_start_post },
	{ HTTP_POST, "/api/tasks/<id>/chat",
	    NEED_USER | NEED_BODY | NEED_DATA,              task_chat_post },
	{ HTTP_POST, "/api/migrate-legacy-tasks", NEED_USER, task_legacy_post },
	/* As the front end asks Supabase for them. */
	{ HTTP_GET,  "/rest/v1/tasks",          NEED_USER,  rest_tasks_read },

	{ HTTP_POST, "/api/validate-token",
	    NEED_USER | NEED_BODY | OUTBOUND,               token_validate_post },

	{ HTTP_GET,  "/api/projects",           NEED_USER,  project_list_read },
	{ HTTP_POST, "/api/projects",
	    NEED_USER | NEED_BODY | NEED_DATA,              project_post },
	{ HTTP_GET,  "/api/projects/<id>",      NEED_USER,  project_read },
	{ HTTP_PUT,  "/api/projects/<id>",
	    NEED_USER | NEED_BODY | NEED_DATA,              project_put },
	{ HTTP_DELETE, "/api/projects/<id>",    NEED_USER,  project_remove },
	{ HTTP_GET,  "/api/projects/<id>/tasks", NEED_USER, project_tasks_read },

	{ HTTP_POST, "/api/auth/token",         NEED_BODY,  session_token },
	{ HTTP_POST, "/api/auth/refresh",       NEED_BODY,  session_refresh },
	{ HTTP_GET,  "/api/auth/verify",        NEED_USER,  session_verify },

	{ HTTP_GET,  "/",                       0,          health_root },
	{ HTTP_GET,  "/ping",                   0,          health_ping },
	{ HTTP_GET,  "/healthz",                0,          health_alive },
	{ HTTP_GET,  "/readyz",                 0,          health_ready },
	{ HTTP_GET,  "/api/mode",               0,          health_mode },
	{ HTTP_GET,  "/api/openapi.json",       0,          health_openapi },
	/* The web server lets only the machine itself see these two. */
	{ HTTP_GET,  "/status",                 0,          status_json },
	{ HTTP_GET,  "/metrics",                0,          status_metrics },
};
/* clang-format on */

const size_t api_route_count = sizeof(api_routes) / sizeof(api_routes[0]);

/* Reads the digits at *p, saturating, and moves *p behind them. */
static bool
read_id(const char **p, int64_t *id)
{
	const char *s = *p;
	int64_t n = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		int digit = *s - '0';

		if (n > (INT64_MAX - digit) / 10)
			n = INT64_MAX;
		else
			n = n * 10 + digit;
	}
	if (s == *p)
		return false;
	*p = s;
	*id = n;
	return true;
}

static bool
matches(const char *pattern, const char *path, int64_t *id)
{
	const char *hole = strstr(pattern, ID_SEGMENT);
	size_t head;

	if (hole == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(hole - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	path += head;
	return read_id(&path, id) && strcmp(path, hole + ID_LEN) == 0;
}

enum route_found
route_find(enum http_method method, const char *path,
    const struct route **route, int64_t *id)
{
	enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
	enum route_found found = ROUTE_ABSENT;

	*route = NULL;
	*id = 0;
	for (size_t i = 0; i < api_route_count; i++) {
		if (!matches(api_routes[i].path, path, id))
			continue;
		if (api_routes[i].method == wanted) {
			*route = &api_routes[i];
			return ROUTE_FOUND;
		}
		found = ROUTE_OTHER_METHOD;
	}
	return found;
}

void
route_allow(const char *path, char out[ROUTE_ALLOW_MAX])
{
	size_t n = 0;
	int64_t id;

	out[0] = '\0';
	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *r = &api_routes[i];

		if (!matches(r->path, path, &id) || n >= ROUTE_ALLOW_MAX)
			continue;
		n += (size_t)snprintf(out + n, ROUTE_ALLOW_MAX - n, "%s%s, ",
		    http_method_name(r->method),
		    r->method == HTTP_GET ? ", HEAD" : "");
	}
	if (n < ROUTE_ALLOW_MAX)
		snprintf(out + n, ROUTE_ALLOW_MAX - n, "%s",
		    http_method_name(HTTP_OPTIONS));
}
