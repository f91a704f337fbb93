/* The table of routes: what must hold for every row, and how paths match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static void
rows_are_whole_and_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *r = &api_routes[i];

		assert_non_null(r->run);
		assert_true(r->method == HTTP_GET || r->method == HTTP_POST ||
		    r->method == HTTP_PUT || r->method == HTTP_DELETE);
		assert_int_equal(r->path[0], '/');
		/* A trailing slash would be another path. */
		assert_true(strlen(r->path) == 1 ||
		    r->path[strlen(r->path) - 1] != '/');
		for (size_t k = 0; k < i; k++)
			assert_false(api_routes[k].method == r->method &&
			    strcmp(api_routes[k].path, r->path) == 0);
	}
}

static void
flags_make_sense(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *r = &api_routes[i];
		unsigned int who = r->flags & (NEED_USER | NEED_TOKEN);

		assert_true(who != (NEED_USER | NEED_TOKEN));
		if ((r->flags & NEED_DATA) != 0)
			assert_true((r->flags & NEED_BODY) != 0);
		if (r->method == HTTP_GET)
			assert_int_equal(r->flags & NEED_BODY, 0);
		/* Nobody's data is read or changed without a token. */
		if (strstr(r->path, "task") != NULL ||
		    strstr(r->path, "<id>") != NULL)
			assert_true(who != 0);
	}
}

static void
every_row_finds_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *found;
		char path[128];
		const char *hole = strstr(api_routes[i].path, "<id>");
		int64_t id;
		const char *name = strstr(api_routes[i].path, "<name>");

		if (name != NULL)
			snprintf(path, sizeof(path), "%.*s" UUID "%s",
			    (int)(name - api_routes[i].path),
			    api_routes[i].path, name + 6);
		else if (hole == NULL)
			snprintf(path, sizeof(path), "%s", api_routes[i].path);
		else
			snprintf(path, sizeof(path), "%.*s42%s",
			    (int)(hole - api_routes[i].path),
			    api_routes[i].path, hole + 4);
		assert_int_equal(
		    route_find(api_routes[i].method, path, 0, &found, &id),
		    ROUTE_FOUND);
		assert_ptr_equal(found, &api_routes[i]);
		assert_int_equal(id, hole == NULL ? 0 : 42);
		strcat(path, "/");
		if (strcmp(path, "//") != 0)
			assert_int_not_equal(route_find(api_routes[i].method,
						 path, 0, &found, &id),
			    ROUTE_FOUND);
	}
}

static void
paths_match_exactly(void **state)
{
	static const struct {
		enum http_method method;
		const char *path;
		enum route_found found;
		int64_t id;
	} cases[] = {
		{ HTTP_GET, "/api/tasks/7", ROUTE_FOUND, 7 },
		{ HTTP_HEAD, "/api/tasks/7", ROUTE_FOUND, 7 },
		{ HTTP_GET, "/api/tasks/007", ROUTE_FOUND, 7 },
		{ HTTP_GET, "/api/tasks/0", ROUTE_FOUND, 0 },
		{ HTTP_GET, "/api/tasks/9223372036854775806", ROUTE_FOUND,
		    INT64_MAX - 1 },
		{ HTTP_GET, "/api/tasks/9223372036854775807", ROUTE_FOUND,
		    INT64_MAX },
		{ HTTP_GET, "/api/tasks/9223372036854775808", ROUTE_FOUND,
		    INT64_MAX },
		{ HTTP_GET, "/api/tasks/99999999999999999999999999999999",
		    ROUTE_FOUND, INT64_MAX },
		{ HTTP_GET, "/api/tasks/7/patch", ROUTE_FOUND, 7 },
		{ HTTP_POST, "/api/tasks/7/cancel", ROUTE_FOUND, 7 },
		{ HTTP_GET, "/api/tasks/7/cancel", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_DELETE, "/api/tasks/7", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_OPTIONS, "/api/tasks/7", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_OTHER, "/ping", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_HEAD, "/api/start-task", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_DELETE, "/api/test-users/abc", ROUTE_FOUND, 0 },
		{ HTTP_POST, "/api/test-users/abc/token", ROUTE_FOUND, 0 },
		{ HTTP_GET, "/api/test-users/abc", ROUTE_OTHER_METHOD, 0 },
		{ HTTP_DELETE, "/api/test-users/health", ROUTE_OTHER_METHOD,
		    0 },
		{ HTTP_DELETE, "/api/test-users/", ROUTE_ABSENT, 0 },
		{ HTTP_POST, "/api/test-users//token", ROUTE_ABSENT, 0 },
		{ HTTP_POST, "/api/test-users/a/b/token", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/-1", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/+1", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/1.0", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/abc", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/ 1", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/1 ", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/0x1", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/\xd9\xa1", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks//patch", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/1/", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/tasks/1/2", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/API/tasks", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/ping/", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "//ping", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api/ping", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/health", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "", ROUTE_ABSENT, 0 },
		{ HTTP_GET, "/api", ROUTE_ABSENT, 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct route *r;
		int64_t id;

		assert_int_equal(
		    route_find(cases[i].method, cases[i].path, 0, &r, &id),
		    cases[i].found);
		if (cases[i].found == ROUTE_FOUND)
			assert_int_equal(id, cases[i].id);
		else
			assert_null(r);
	}
}

static void
allow_names_all_methods(void **state)
{
	char allow[ROUTE_ALLOW_MAX];

	(void)state;
	route_allow("/api/tasks/3", 0, allow);
	assert_string_equal(allow, "GET, HEAD, OPTIONS");
	route_allow("/api/start-task", 0, allow);
	assert_string_equal(allow, "POST, OPTIONS");
	for (size_t i = 0; i < api_route_count; i++) {
		route_allow(api_routes[i].path, 0, allow);
		assert_true(strlen(allow) < ROUTE_ALLOW_MAX - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole_and_unique),
		cmocka_unit_test(flags_make_sense),
		cmocka_unit_test(every_row_finds_itself),
		cmocka_unit_test(paths_match_exactly),
		cmocka_unit_test(allow_names_all_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
