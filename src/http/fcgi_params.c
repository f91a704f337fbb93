#include "http/fcgi_params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/decode.h"

/* The parameters that we use. All others are counted and passed over. */
enum param {
	P_METHOD,
	P_URI,
	P_SCRIPT_NAME,
	P_PATH_INFO,
	P_QUERY,
	P_CONTENT_TYPE,
	P_CONTENT_LENGTH,
	P_REMOTE_ADDR,
	P_REMOTE_USER,
	P_TEST_USERS_SECRET,
	P_REQUEST_ID,
	P_X_REQUEST_ID,
	P_AUTHORIZATION,
	P_IDEMPOTENCY_KEY,
	P_ORIGIN,
	P_COOKIE,
	P_ACCEPT,
	P_N
};

#define NAMED(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}

static const struct {
	const char *name;
	size_t len;
} params[] = {
	[P_METHOD] = NAMED("REQUEST_METHOD"),
	[P_URI] = NAMED("REQUEST_URI"),
	[P_SCRIPT_NAME] = NAMED("SCRIPT_NAME"),
	[P_PATH_INFO] = NAMED("PATH_INFO"),
	[P_QUERY] = NAMED("QUERY_STRING"),
	[P_CONTENT_TYPE] = NAMED("CONTENT_TYPE"),
	[P_CONTENT_LENGTH] = NAMED("CONTENT_LENGTH"),
	[P_REMOTE_ADDR] = NAMED("REMOTE_ADDR"),
	/* A client's header of this name comes as HTTP_REMOTE_USER. */
	[P_REMOTE_USER] = NAMED("REMOTE_USER"),
	[P_TEST_USERS_SECRET] = NAMED("HTTP_X_TEST_USERS_SECRET"),
	[P_REQUEST_ID] = NAMED("REQUEST_ID"),
	[P_X_REQUEST_ID] = NAMED("HTTP_X_REQUEST_ID"),
	[P_AUTHORIZATION] = NAMED("HTTP_AUTHORIZATION"),
	[P_IDEMPOTENCY_KEY] = NAMED("HTTP_IDEMPOTENCY_KEY"),
	[P_ORIGIN] = NAMED("HTTP_ORIGIN"),
	[P_COOKIE] = NAMED("HTTP_COOKIE"),
	[P_ACCEPT] = NAMED("HTTP_ACCEPT"),
};

_Static_assert(sizeof(params) / sizeof(params[0]) == P_N,
    "every parameter has its name");

static enum param
param_of(const char *entry, size_t name_len)
{
	int p;

	for (p = 0; p < P_N; p++)
		if (params[p].len == name_len &&
		    memcmp(params[p].name, entry, name_len) == 0)
			break;
	return (enum param)p;
}

/*
 * A line break or another control character in a value never came from an
 * honest web server, but in a path that it has decoded: read_path() looks at
 * that, if it is used at all.
 */
static bool
value_plain(enum param p, const char *value)
{
	if (p == P_SCRIPT_NAME || p == P_PATH_INFO)
		return true;
	for (const unsigned char *c = (const unsigned char *)value; *c != '\0';
	     c++)
		if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
			return false;
	return true;
}

/* Fills got[]; 0 or the status of the refusal. */
static int
walk(const char *got[P_N], const char *const *envp, const char **why)
{
	size_t bytes = 0;

	for (size_t i = 0; envp[i] != NULL; i++) {
		const char *eq = strchr(envp[i], '=');
		enum param p;

		bytes += strlen(envp[i]);
		*why = "Too many request headers";
		if (i >= FCGI_PARAMS_MAX || bytes > FCGI_PARAMS_BYTES_MAX)
			return 431;
		if (eq == NULL)
			continue;
		p = param_of(envp[i], (size_t)(eq - envp[i]));
		if (p == P_N)
			continue;
		/* A list, which may come on several lines; the first will do.
		 */
		if (p == P_ACCEPT && got[p] != NULL)
			continue;
		*why = "Duplicate request header";
		if (got[p] != NULL)
			return 400;
		*why = "Invalid character in a request header";
		if (!value_plain(p, eq + 1))
			return 400;
		got[p] = eq + 1;
	}
	*why = NULL;
	return 0;
}

/*
 * REQUEST_URI is what the client sent, and is decoded here, once. Without it
 * (a CGI-like server) SCRIPT_NAME and PATH_INFO are decoded already.
 */
static int
read_path(struct fcgi_parsed *p, const char *const got[P_N], const char **why)
{
	const char *uri = got[P_URI] != NULL ? got[P_URI] : "";
	size_t len = strcspn(uri, "?#");
	bool good;

	*why = "Request path too long";
	if (uri[0] != '\0') {
		if (len >= 3 * sizeof(p->path))
			return 414;
		good = http_decode(uri, len, DECODE_PATH, p->path,
		    sizeof(p->path));
		if (uri[len] == '?')
			p->rq.query = uri + len + 1;
	} else {
		struct buf b = BUF(sizeof(p->path) - 1);

		if (got[P_SCRIPT_NAME] != NULL)
			buf_puts(&b, got[P_SCRIPT_NAME]);
		if (got[P_PATH_INFO] != NULL)
			buf_puts(&b, got[P_PATH_INFO]);
		good = buf_ok(&b) && b.data != NULL;
		if (good)
			memcpy(p->path, b.data, b.len + 1);
		buf_clear(&b);
		if (got[P_QUERY] != NULL)
			p->rq.query = got[P_QUERY];
	}
	*why = "Invalid request path";
	if (!good || !http_path_plain(p->path)) {
		p->path[0] = '\0';
		return 400;
	}
	return 0;
}

/* Digits only, no sign, no space; what strtoull would let pass is not. */
static int
read_length(struct fcgi_parsed *p, const char *text, const char **why)
{
	unsigned long long n;

	if (text == NULL || text[0] == '\0')
		return 0;
	*why = "Invalid Content-Length";
	if (text[strspn(text, "0123456789")] != '\0')
		return 400;
	errno = 0;
	n = strtoull(text, NULL, 10);
	*why = "Request body too large";
	if (errno != 0 || n > SIZE_MAX / 2)
		return 413;
	p->body_len = (size_t)n;
	return 0;
}

static bool
id_fits(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n < FCGI_ID_MAX &&
	    strspn(id,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* An id that does not fit is no reason to refuse: another is made up. */
static void
read_id(struct fcgi_parsed *p, const char *const got[P_N])
{
	const char *id = got[P_X_REQUEST_ID];

	if (id == NULL || !id_fits(id))
		id = got[P_REQUEST_ID];
	if (id != NULL && id_fits(id))
		memcpy(p->request_id, id, strlen(id) + 1);
}

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

int
fcgi_params_read(struct fcgi_parsed *p, const char *const *envp,
    const char **why)
{
	const char *got[P_N] = { NULL };
	int status;

	p->path[0] = p->request_id[0] = '\0';
	p->body_len = 0;
	memset(&p->rq, 0, sizeof(p->rq));
	p->rq.path = p->path;
	p->rq.query = p->rq.body = "";
	p->rq.request_id = p->request_id;

	status = walk(got, envp, why);
	p->rq.method = http_method_of(or_empty(got[P_METHOD]));
	p->rq.authorization = or_empty(got[P_AUTHORIZATION]);
	p->rq.content_type = or_empty(got[P_CONTENT_TYPE]);
	p->rq.idempotency_key = got[P_IDEMPOTENCY_KEY];
	p->rq.origin = or_empty(got[P_ORIGIN]);
	p->rq.cookie = or_empty(got[P_COOKIE]);
	p->rq.accept = or_empty(got[P_ACCEPT]);
	p->rq.remote_addr = or_empty(got[P_REMOTE_ADDR]);
	p->rq.remote_user = or_empty(got[P_REMOTE_USER]);
	p->rq.test_users_secret = or_empty(got[P_TEST_USERS_SECRET]);
	read_id(p, got);
	if (status == 0)
		status = read_length(p, got[P_CONTENT_LENGTH], why);
	if (status != 0)
		return status;
	return read_path(p, got, why);
}
