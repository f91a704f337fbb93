#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/fcgi_params.h"

static struct fcgi_parsed p;
static const char *why;

#define READ(...) \
	fcgi_params_read(&p, (const char *const[]){ __VA_ARGS__, NULL }, &why)

static void
a_request_of_nginx_is_read(void **state)
{
	(void)state;
	assert_int_equal(
	    READ("FCGI_ROLE=RESPONDER", "REQUEST_METHOD=POST",
		"REQUEST_URI=/api/start%2Dtask?a=%41", "QUERY_STRING=ignored=1",
		"CONTENT_LENGTH=12", "CONTENT_TYPE=application/json",
		"HTTP_AUTHORIZATION=Bearer x.y.z", "HTTP_IDEMPOTENCY_KEY=k",
		"HTTP_ORIGIN=https://o", "HTTP_COOKIE=c=d",
		"HTTP_USER_AGENT=ua", "HTTP_ACCEPT=a/b", "REMOTE_ADDR=10.0.0.1",
		"REQUEST_ID=abc-1"),
	    0);
	assert_int_equal(p.rq.method, HTTP_POST);
	assert_string_equal(p.rq.path, "/api/start-task");
	assert_string_equal(p.rq.query, "a=%41");
	assert_int_equal(p.body_len, 12);
	assert_string_equal(p.rq.content_type, "application/json");
	assert_string_equal(p.rq.authorization, "Bearer x.y.z");
	assert_string_equal(p.rq.idempotency_key, "k");
	assert_string_equal(p.rq.origin, "https://o");
	assert_string_equal(p.rq.cookie, "c=d");
	assert_string_equal(p.rq.accept, "a/b");
	assert_string_equal(p.rq.remote_addr, "10.0.0.1");
	assert_string_equal(p.rq.request_id, "abc-1");
}

static void
what_is_absent_is_empty(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_METHOD=GET", "REQUEST_URI=/"), 0);
	assert_string_equal(p.rq.query, "");
	assert_string_equal(p.rq.authorization, "");
	assert_string_equal(p.rq.request_id, "");
	assert_null(p.rq.idempotency_key);
	assert_int_equal(p.body_len, 0);
}

static void
a_server_without_request_uri_has_decoded_the_path(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_METHOD=GET", "SCRIPT_NAME=/api",
			     "PATH_INFO=/a%41", "QUERY_STRING=x=1"),
	    0);
	assert_string_equal(p.rq.path, "/api/a%41");
	assert_string_equal(p.rq.query, "x=1");
}

static void
F8_duplicates_of_what_we_use_are_refused(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_URI=/", "HTTP_IDEMPOTENCY_KEY=a",
			     "HTTP_IDEMPOTENCY_KEY=b"),
	    400);
	assert_int_equal(
	    READ("REQUEST_URI=/", "CONTENT_LENGTH=1", "CONTENT_LENGTH=1"), 400);
	assert_int_equal(
	    READ("REQUEST_URI=/", "HTTP_ACCEPT=a", "HTTP_ACCEPT=b"), 0);
}

static void
F8_control_characters_are_refused(void **state)
{
	(void)state;
	assert_int_equal(
	    READ("REQUEST_URI=/", "HTTP_AUTHORIZATION=Bearer a\nb"), 400);
	assert_int_equal(READ("REQUEST_URI=/", "HTTP_ORIGIN=a\rb"), 400);
	assert_int_equal(READ("REQUEST_URI=/\x7f"), 400);
}

/* nginx sends the path a second time, decoded; no header is to blame then. */
static void
control_characters_of_a_path_are_the_paths(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_URI=/a%0a", "SCRIPT_NAME=/a\n"), 400);
	assert_string_equal(why, "Invalid request path");
	assert_int_equal(READ("SCRIPT_NAME=/a", "PATH_INFO=/\n"), 400);
	assert_string_equal(why, "Invalid request path");
}

static void
F8_odd_entries_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_URI=/", "", "=", "NOEQUALS", "A=B=C"),
	    0);
}

static void
F7_too_many_parameters_are_431(void **state)
{
	static const char one[] = "HTTP_X=1", uri[] = "REQUEST_URI=/";
	const char *envp[FCGI_PARAMS_MAX + 2];

	(void)state;
	for (int i = 0; i <= FCGI_PARAMS_MAX; i++)
		envp[i] = one;
	envp[0] = uri;
	envp[FCGI_PARAMS_MAX + 1] = NULL;
	assert_int_equal(fcgi_params_read(&p, envp, &why), 431);
	envp[FCGI_PARAMS_MAX] = NULL;
	assert_int_equal(fcgi_params_read(&p, envp, &why), 0);
}

static void
F7_too_large_parameters_are_431(void **state)
{
	static char big[FCGI_PARAMS_BYTES_MAX + 1];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "HTTP_X=", 7);
	assert_int_equal(READ("REQUEST_URI=/", big), 431);
}

static void
F9_only_digits_are_a_length(void **state)
{
	static const char *const bad[] = { "CONTENT_LENGTH=-1",
		"CONTENT_LENGTH=+1", "CONTENT_LENGTH= 1", "CONTENT_LENGTH=1 ",
		"CONTENT_LENGTH=0x10", "CONTENT_LENGTH=1,1" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(READ("REQUEST_URI=/", bad[i]), 400);
	assert_int_equal(
	    READ("REQUEST_URI=/", "CONTENT_LENGTH=99999999999999999999"), 413);
	assert_int_equal(READ("REQUEST_URI=/", "CONTENT_LENGTH="), 0);
}

static void
bad_paths_are_400(void **state)
{
	static const char *const bad[] = { "REQUEST_URI=", "REQUEST_URI=*",
		"REQUEST_URI=api", "REQUEST_URI=/%", "REQUEST_URI=/%00",
		"REQUEST_URI=/%0d%0a", "REQUEST_URI=/%ff", "REQUEST_URI=/a/..",
		"REQUEST_URI=/%2e%2e/a", "REQUEST_URI=http://h/a" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(READ(bad[i]), 400);
		assert_string_equal(p.rq.path, "");
	}
	assert_int_equal(READ("REQUEST_METHOD=GET"), 400);
}

static void
long_paths_are_414(void **state)
{
	static char uri[4 * FCGI_PATH_MAX];

	(void)state;
	(void)snprintf(uri, sizeof(uri), "REQUEST_URI=/");
	memset(uri + 13, 'a', sizeof(uri) - 14);
	assert_int_equal(READ(uri), 414);
}

static void
unfit_request_ids_are_not_taken(void **state)
{
	(void)state;
	assert_int_equal(READ("REQUEST_URI=/", "HTTP_X_REQUEST_ID=a b"), 0);
	assert_string_equal(p.rq.request_id, "");
	assert_int_equal(READ("REQUEST_URI=/", "HTTP_X_REQUEST_ID=<script>",
			     "REQUEST_ID=ours"),
	    0);
	assert_string_equal(p.rq.request_id, "ours");
	assert_int_equal(
	    READ("REQUEST_URI=/", "HTTP_X_REQUEST_ID=theirs", "REQUEST_ID=o"),
	    0);
	assert_string_equal(p.rq.request_id, "theirs");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_of_nginx_is_read),
		cmocka_unit_test(what_is_absent_is_empty),
		cmocka_unit_test(
		    a_server_without_request_uri_has_decoded_the_path),
		cmocka_unit_test(F8_duplicates_of_what_we_use_are_refused),
		cmocka_unit_test(F8_control_characters_are_refused),
		cmocka_unit_test(control_characters_of_a_path_are_the_paths),
		cmocka_unit_test(F8_odd_entries_are_passed_over),
		cmocka_unit_test(F7_too_many_parameters_are_431),
		cmocka_unit_test(F7_too_large_parameters_are_431),
		cmocka_unit_test(F9_only_digits_are_a_length),
		cmocka_unit_test(bad_paths_are_400),
		cmocka_unit_test(long_paths_are_414),
		cmocka_unit_test(unfit_request_ids_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
