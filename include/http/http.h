#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * http: a request and its answer, as structs. No idea what is asked.
 */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
	HTTP_METHOD_N
};

const char *http_method_name(enum http_method m);
enum http_method http_method_of(const char *name);

#define REQUEST_ID_TEXT 65 /* room for a request_id, with its NUL */

/*
 * A request. All strings are borrowed from whoever made it and good until it
 * is answered; never NULL: "" when absent, but for idempotency_key.
 */
struct http_request {
	enum http_method method;
	const char *path;  /* decoded, begins with '/'; no NUL inside */
	const char *query; /* as sent, without '?' */
	const char *authorization;
	const char *content_type;
	const char *idempotency_key; /* NULL when not sent */
	const char *origin;
	const char *cookie;
	const char *accept;
	const char *remote_addr;
	const char *remote_user; /* whom the web server itself has checked */
	const char *test_users_secret; /* X-Test-Users-Secret */
	const char *request_id; /* [A-Za-z0-9-]{1,64}; made up if none came */
	const char *body;       /* NUL-terminated behind body_len bytes */
	size_t body_len;
};

/* Most extra header lines of an answer. */
#define HTTP_HEADERS_MAX 12

struct http_header {
	const char *name; /* a literal */
	char value[256];
};

/* An answer: status, headers, whole body. Reset, fill, send. */
struct http_response {
	int status;
	const char *content_type; /* a literal; "application/json" by default */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct buf body;
};

#define HTTP_BODY_MAX (160u * 1024 * 1024) /* of an answer: diff and patch */

void http_response_init(struct http_response *r);
void http_response_reset(struct http_response *r);
void http_response_clear(struct http_response *r);

/*
 * Adds a header; a value that holds a control character is dropped and the
 * call ignored (no header injection).
 */
void http_response_header(struct http_response *r, const char *name,
    const char *value);

/* Replaces the body by {"error":text} under this status. */
void http_response_error(struct http_response *r, int status, const char *text);

/* "Not Found" for 404, and so on; "Status" when unknown. */
const char *http_reason(int status);

/*
 * Value of a query parameter, percent-decoded into out (size bytes with NUL).
 * Returns false when absent, too long, or not decodable to valid UTF-8
 * without control characters.
 */
bool http_query_get(const char *query, const char *name, char *out,
    size_t size);

#endif
