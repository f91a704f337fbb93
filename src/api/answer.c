#include "api/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "util/utf8.h"

/* An answer's memory that a worker keeps for the next request. */
#define KEEP_BYTES ((size_t)256 * 1024)

#define RETRY_AFTER_S "5"

#define STATUS_CLIENT_GONE 499 /* as nginx calls it */

#define REST "/rest/v1/"
#define AUTH "/auth/v1/"

/* What db says when nobody could find out whether a COMMIT happened (C4). */
#define UNKNOWN_MARK "outcome unknown"
#define UNKNOWN_TEXT                                                          \
	"Service unavailable: whether this was done is not known, repeat it " \
	"with the same Idempotency-Key"

/* What a kind of error means to the client. text NULL: the error's own. */
static const struct {
	int status;
	const char *text;
} answers[] = {
	[ERR_NONE] = { 500, "Internal server error" },
	[ERR_INVALID] = { 400, NULL },
	[ERR_UNKNOWN] = { 401, NULL },
	[ERR_DENIED] = { 403, NULL },
	[ERR_ABSENT] = { 404, NULL },
	[ERR_CONFLICT] = { 409, "Conflict with another request" },
	[ERR_RETRY] = { 503, "Service unavailable" },
	[ERR_BROKEN] = { 500, "Internal server error" },
};

_Static_assert(sizeof(answers) / sizeof(answers[0]) == ERR_KIND_N,
    "every kind of error has its answer");

/* The codes that supabase-js knows. */
static const char *
auth_code(int status)
{
	switch (status) {
	case 400:
	case 422:
		return "validation_failed";
	case 401:
		return "bad_jwt";
	case 403:
		return "no_authorization";
	case 404:
		return "user_not_found";
	case 409:
		return "conflict";
	case 415:
		return "bad_json";
	case 429:
		return "over_request_rate_limit";
	default:
		return "unexpected_failure";
	}
}

int
answer_auth_error(struct call *c, int status, const char *code,
    const char *message)
{
	struct buf clean = BUF(64 * 1024);
	struct json_out j;

	utf8_clean(&clean, message, strlen(message));
	/* Drops what an answer had begun with. */
	http_response_error(c->rs, status, "");
	buf_reset(&c->rs->body);
	/* Without it supabase-js takes the code for an older kind's. */
	http_response_header(c->rs, "X-Supabase-Api-Version", "2024-01-01");
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "code", code);
	json_name_string(&j, "message", clean.data != NULL ? clean.data : "",
	    clean.len);
	json_close(&j);
	buf_clear(&clean);
	return 0;
}

/* Its clients read errors in another form, too. */
static bool
is_auth(const struct call *c)
{
	return c->route != NULL &&
	    strncmp(c->rq->path, AUTH, sizeof(AUTH) - 1) == 0;
}

int
call_refuse(struct call *c, int status, const char *text)
{
	if (is_auth(c))
		return answer_auth_error(c, status, auth_code(status), text);
	http_response_error(c->rs, status, text);
	return 0;
}

int
call_refuse_for(struct call *c, unsigned int retry_after_s, const char *text)
{
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%u", retry_after_s);
	http_response_header(c->rs, "Retry-After", seconds);
	return call_refuse(c, 429, text);
}

bool
call_client_there(const struct call *c)
{
	return c->api->client_there == NULL ||
	    c->api->client_there(c->api->client_ctx);
}

int
call_refuse_gone(struct call *c)
{
	return call_refuse(c, STATUS_CLIENT_GONE, "Client has left");
}

/* What the client is told; NULL: the error's own text. */
static const char *
text_of(enum err_kind kind, const struct err *e)
{
	if (kind == ERR_RETRY && strstr(e->text, UNKNOWN_MARK) != NULL)
		return UNKNOWN_TEXT;
	return answers[kind].text;
}

void
answer_rest_error(struct call *c, int status, const char *code,
    const char *details, const char *message)
{
	struct json_out j;

	/* Drops what an answer had begun with. */
	http_response_error(c->rs, status, "");
	buf_reset(&c->rs->body);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "code", code);
	json_name_text(&j, "details", details);
	json_name_null(&j, "hint");
	json_name_text(&j, "message", message);
	json_close(&j);
}

/* Its clients read errors in another form. */
static bool
is_rest(const struct call *c)
{
	return strncmp(c->rq->path, REST, sizeof(REST) - 1) == 0;
}

/* A fixed text for programs, and beside it the place for people. */
static void
answer_malformed(struct call *c, const char *text, const char *where)
{
	struct buf clean = BUF(64 * 1024);
	struct json_out j;

	utf8_clean(&clean, where, strlen(where));
	http_response_error(c->rs, 400, "");
	buf_reset(&c->rs->body);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "error", text);
	json_name_string(&j, "detail", clean.data != NULL ? clean.data : "",
	    clean.len);
	json_close(&j);
	buf_clear(&clean);
}

void
answer_error(struct call *c, const struct err *e)
{
	enum err_kind kind = e->kind < ERR_KIND_N ? e->kind : ERR_NONE;
	const char *text = text_of(kind, e);
	const char *malformed, *where;

	if (text != NULL)
		log_err(kind == ERR_RETRY ? LOG_WARN : LOG_ERROR, e,
		    "request-failed id=%s path=" LOG_STR, c->rq->request_id,
		    log_str(c->rq->path));
	if (kind == ERR_UNKNOWN)
		http_response_header(c->rs, "WWW-Authenticate", "Bearer");
	if (kind == ERR_RETRY)
		http_response_header(c->rs, "Retry-After", RETRY_AFTER_S);
	if (text == NULL)
		text = e->text;
	if (is_rest(c))
		answer_rest_error(c, answers[kind].status,
		    kind == ERR_UNKNOWN ? "PGRST301" : "PGRST000", NULL, text);
	else if (is_auth(c))
		answer_auth_error(c, answers[kind].status,
		    auth_code(answers[kind].status), text);
	else if ((malformed = body_malformed(e, &where)) != NULL)
		answer_malformed(c, malformed, where);
	else
		http_response_error(c->rs, answers[kind].status, text);
}

void
answer_begin(struct call *c)
{
	/* One large diff must not make the worker large for good. */
	if (c->rs->body.cap > KEEP_BYTES)
		http_response_clear(c->rs);
	http_response_header(c->rs, "Cache-Control", "no-store");
	http_response_header(c->rs, "X-Request-Id", c->rq->request_id);
}

void
answer_end(struct call *c, int64_t began_us)
{
	int64_t took_us;

	if (!buf_ok(&c->rs->body)) {
		struct err e = { 0 };

		err_set(&e, ERR_BROKEN,
		    "the answer is too large or memory "
		    "ran out");
		answer_error(c, &e);
	}
	took_us = clock_mono_us() - began_us;
	log_line(LOG_INFO,
	    "request id=%s method=%s path=" LOG_STR " status=%d ms=%" PRId64
	    ".%03d user=%s",
	    c->rq->request_id, http_method_name(c->rq->method),
	    log_str(c->rq->path), c->rs->status, took_us / 1000,
	    (int)(took_us % 1000), c->user_id[0] != '\0' ? c->user_id : "-");
}
