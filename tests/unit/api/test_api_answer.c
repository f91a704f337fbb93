/* Which answer each kind of error is, and what of it the client sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/answer.h"
#include "util/log.h"

static const char *
header(const struct http_response *rs, const char *name)
{
	for (size_t i = 0; i < rs->header_count; i++)
		if (strcmp(rs->headers[i].name, name) == 0)
			return rs->headers[i].value;
	return NULL;
}

static void
a_malformed_body_says_where(void **state)
{
	struct http_request rq = { .path = "/", .request_id = "r-1" };
	struct http_response rs;
	struct call c = { .rq = &rq, .rs = &rs };
	struct err e = { ERR_INVALID, "Invalid JSON: line 1, column 2: \xff" };

	(void)state;
	http_response_init(&rs);
	answer_error(&c, &e);
	assert_int_equal(rs.status, 400);
	assert_string_equal(rs.body.data,
	    "{\"error\":\"Invalid JSON\","
	    "\"detail\":\"line 1, column 2: \xef\xbf\xbd\"}");
	http_response_clear(&rs);
}

static void
kinds_become_answers(void **state)
{
	static const struct {
		enum err_kind kind;
		int status;
		const char *body;
		const char *retry_after;
	} cases[] = {
		{ ERR_NONE, 500, "{\"error\":\"Internal server error\"}",
		    NULL },
		{ ERR_INVALID, 400, "{\"error\":\"secret detail\"}", NULL },
		{ ERR_UNKNOWN, 401, "{\"error\":\"secret detail\"}", NULL },
		{ ERR_DENIED, 403, "{\"error\":\"secret detail\"}", NULL },
		{ ERR_ABSENT, 404, "{\"error\":\"secret detail\"}", NULL },
		{ ERR_CONFLICT, 409,
		    "{\"error\":\"Conflict with another request\"}", NULL },
		{ ERR_RETRY, 503, "{\"error\":\"Service unavailable\"}", "5" },
		{ ERR_BROKEN, 500, "{\"error\":\"Internal server error\"}",
		    NULL },
		{ ERR_KIND_N, 500, "{\"error\":\"Internal server error\"}",
		    NULL },
	};
	struct http_request rq = { .path = "/", .request_id = "r-1" };
	struct http_response rs;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call c = { .rq = &rq, .rs = &rs };
		struct err e = { cases[i].kind, "secret detail" };

		http_response_init(&rs);
		buf_puts(&rs.body, "half an answer");
		answer_error(&c, &e);
		assert_int_equal(rs.status, cases[i].status);
		assert_string_equal(rs.body.data, cases[i].body);
		assert_int_equal(header(&rs, "WWW-Authenticate") != NULL,
		    cases[i].status == 401);
		if (cases[i].retry_after == NULL)
			assert_null(header(&rs, "Retry-After"));
		else
			assert_string_equal(header(&rs, "Retry-After"),
			    cases[i].retry_after);
		http_response_clear(&rs);
	}
}

/* Reliability 11: a lost COMMIT that nobody could ask about. */
static void
an_unknown_outcome_is_said_to_be_one(void **state)
{
	struct http_request rq = { .path = "/", .request_id = "r-1" };
	struct http_response rs;
	struct call c = { .rq = &rq, .rs = &rs };
	struct err e = { ERR_RETRY, "database: outcome unknown: gone away" };

	(void)state;
	http_response_init(&rs);
	answer_error(&c, &e);
	assert_int_equal(rs.status, 503);
	assert_non_null(strstr(rs.body.data, "the same Idempotency-Key"));
	assert_null(strstr(rs.body.data, "gone away"));
	http_response_clear(&rs);
}

static void
an_answer_that_does_not_fit_is_none(void **state)
{
	struct http_request rq = { .path = "/", .request_id = "r-1" };
	struct http_response rs;
	struct call c = { .rq = &rq, .rs = &rs };

	(void)state;
	http_response_init(&rs);
	rs.body.max = 64;
	for (int i = 0; i < 10; i++)
		buf_puts(&rs.body, "0123456789");
	answer_end(&c, 0);
	assert_int_equal(rs.status, 500);
	assert_string_equal(rs.body.data,
	    "{\"error\":\"Internal server error\"}");
	http_response_clear(&rs);
}

static void
refusals(void **state)
{
	struct http_request rq = { .path = "/", .request_id = "r-1" };
	struct http_response rs;
	struct call c = { .rq = &rq, .rs = &rs };

	(void)state;
	http_response_init(&rs);
	assert_int_equal(call_refuse_for(&c, 30, "Too many"), 0);
	assert_int_equal(rs.status, 429);
	assert_string_equal(header(&rs, "Retry-After"), "30");
	assert_string_equal(rs.body.data, "{\"error\":\"Too many\"}");
	http_response_clear(&rs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_malformed_body_says_where),
		cmocka_unit_test(kinds_become_answers),
		cmocka_unit_test(an_answer_that_does_not_fit_is_none),
		cmocka_unit_test(an_unknown_outcome_is_said_to_be_one),
		cmocka_unit_test(refusals),
	};

	/* What these log is on purpose. */
	log_open("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
