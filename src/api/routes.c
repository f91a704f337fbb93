#include "api/routes.h"

#include <stdio.h>
#include <string.h>

#define ID_SEGMENT "<id>"
#define NAME_SEGMENT "<name>"

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
	    NEED_USER | NEED_BODY | NEED_DATA | STARTS_WORK, task_start_post },
	{ HTTP_POST, "/api/tasks/<id>/chat",
	    NEED_USER | NEED_BODY | NEED_DATA,              task_chat_post },
	{ HTTP_POST, "/api/migrate-legacy-tasks", NEED_USER, task_legacy_post },
	/* As the front end asks Supabase for them. */
	{ HTTP_GET,  "/rest/v1/tasks",          NEED_USER,  rest_tasks_read },

	{ HTTP_POST, "/api/validate-token",
	    NEED_USER | NEED_BODY | OUTBOUND,               token_validate_post },
	{ HTTP_POST, "/api/create-pr/<id>",
	    NEED_USER | NEED_BODY | OUTBOUND,               pull_post },

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
	/* As the front end asks Supabase. */
	{ HTTP_POST, "/auth/v1/token",          NEED_BODY,  auth_token_post },
	{ HTTP_POST, "/auth/v1/signup",         NEED_BODY,  auth_signup_post },
	{ HTTP_POST, "/auth/v1/recover",        NEED_BODY,  auth_nothing_post },
	{ HTTP_POST, "/auth/v1/otp",            NEED_BODY,  auth_nothing_post },
	{ HTTP_POST, "/auth/v1/logout",         0,          auth_logout_post },
	{ HTTP_GET,  "/auth/v1/user",           NEED_USER,  auth_user_read },
	{ HTTP_GET,  "/auth/v1/authorize",      0,          auth_authorize },
	/* For automated tests; not there in production (D28). */
	{ HTTP_GET,  "/api/test-users/health",  TESTS_ONLY, test_health_read },
	{ HTTP_GET,  "/api/test-users",         TESTS_ONLY, test_users_read },
	{ HTTP_POST, "/api/test-users",         TESTS_ONLY, test_user_post },
	{ HTTP_POST, "/api/test-users/cleanup", TESTS_ONLY, test_cleanup_post },
	{ HTTP_DELETE, "/api/test-users/<name>", TESTS_ONLY, test_user_delete },
	{ HTTP_POST, "/api/test-users/<name>/token", TESTS_ONLY, test_token_post },

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

/* A name is any but one that is a path of its own. */
static bool
is_literal(const char *path)
{
	for (size_t i = 0; i < api_route_count; i++)
		if (strcmp(api_routes[i].path, path) == 0)
			return true;
	return false;
}

/* path from the name on, against the pattern behind it. */
static bool
name_matches(const char *path, const char *behind)
{
	size_t len = strcspn(path, "/");

	return len > 0 && strcmp(path + len, behind) == 0;
}

static bool
matches(const char *pattern, const char *path, int64_t *id)
{
	const char *hole = strchr(pattern, '<');
	size_t head;

	if (hole == NULL)
		return strcmp(pattern, path) == 0;
	head = (size_t)(hole - pattern);
	if (strncmp(pattern, path, head) != 0)
		return false;
	if (strncmp(hole, NAME_SEGMENT, sizeof(NAME_SEGMENT) - 1) == 0)
		return name_matches(path + head,
			   hole + sizeof(NAME_SEGMENT) - 1) &&
		    !is_literal(path);
	path += head;
	return read_id(&path, id) &&
	    strcmp(path, hole + sizeof(ID_SEGMENT) - 1) == 0;
}

enum route_found
route_find(enum http_method method, const char *path, unsigned int hidden,
    const struct route **route, int64_t *id)
{
	enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
	enum route_found found = ROUTE_ABSENT;

	*route = NULL;
	*id = 0;
	for (size_t i = 0; i < api_route_count; i++) {
		if ((api_routes[i].flags & hidden) != 0 ||
		    !matches(api_routes[i].path, path, id))
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
route_allow(const char *path, unsigned int hidden, char out[ROUTE_ALLOW_MAX])
{
	size_t n = 0;
	int64_t id;

	out[0] = '\0';
	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *r = &api_routes[i];

		if ((r->flags & hidden) != 0 || n >= ROUTE_ALLOW_MAX ||
		    !matches(r->path, path, &id))
			continue;
		n += (size_t)snprintf(out + n, ROUTE_ALLOW_MAX - n, "%s%s, ",
		    http_method_name(r->method),
		    r->method == HTTP_GET ? ", HEAD" : "");
	}
	if (n < ROUTE_ALLOW_MAX)
		snprintf(out + n, ROUTE_ALLOW_MAX - n, "%s",
		    http_method_name(HTTP_OPTIONS));
}
