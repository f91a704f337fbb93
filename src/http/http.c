#include "http/http.h"

#include <stdio.h>
#include <string.h>

#include "http/decode.h"
#include "util/json.h"
#include "util/utf8.h"

static const char *const method_names[] = {
	[HTTP_GET] = "GET",
	[HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
	[HTTP_OTHER] = "OTHER",
};

_Static_assert(sizeof(method_names) / sizeof(method_names[0]) == HTTP_METHOD_N,
    "every method has its name");

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 302, "Found" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

const char *
http_method_name(enum http_method m)
{
	if ((unsigned int)m >= HTTP_METHOD_N)
		return method_names[HTTP_OTHER];
	return method_names[m];
}

enum http_method
http_method_of(const char *name)
{
	enum http_method m;

	for (m = HTTP_GET; m < HTTP_OTHER; m++)
		if (strcmp(method_names[m], name) == 0)
			break;
	return m;
}

const char *
http_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

void
http_response_init(struct http_response *r)
{
	memset(r, 0, sizeof(*r));
	r->body.max = HTTP_BODY_MAX;
	http_response_reset(r);
}

void
http_response_reset(struct http_response *r)
{
	r->status = 200;
	r->content_type = "application/json";
	r->header_count = 0;
	buf_reset(&r->body);
}

void
http_response_clear(struct http_response *r)
{
	buf_clear(&r->body);
}

/* Length of a header's value, or -1 when it may not stand in a header. */
static int
value_length(const char *value)
{
	const unsigned char *p = (const unsigned char *)value;
	size_t n;

	for (n = 0; p[n] != '\0'; n++)
		if (p[n] < 0x20 || p[n] == 0x7f)
			return -1;
	if (n >= sizeof(((struct http_header *)NULL)->value))
		return -1;
	return (int)n;
}

void
http_response_header(struct http_response *r, const char *name,
    const char *value)
{
	struct http_header *h;
	int len = value_length(value);

	if (len < 0 || r->header_count == HTTP_HEADERS_MAX)
		return;
	h = &r->headers[r->header_count++];
	h->name = name;
	memcpy(h->value, value, (size_t)len + 1);
}

void
http_response_error(struct http_response *r, int status, const char *text)
{
	struct buf clean = BUF(64 * 1024);
	struct json_out j;

	utf8_clean(&clean, text, strlen(text));
	r->status = status;
	r->content_type = "application/json";
	buf_reset(&r->body);
	json_start(&j, &r->body);
	json_open(&j);
	json_name_string(&j, "error", clean.data != NULL ? clean.data : "",
	    clean.len);
	json_close(&j);
	buf_clear(&clean);
}

/* Finds a parameter by its raw name. Names are ours, so never encoded. */
static const char *
query_find(const char *query, const char *name, size_t *len)
{
	size_t name_len = strlen(name);

	for (const char *p = query; *p != '\0';) {
		size_t n = strcspn(p, "&");

		if (n > name_len && p[name_len] == '=' &&
		    memcmp(p, name, name_len) == 0) {
			*len = n - name_len - 1;
			return p + name_len + 1;
		}
		if (n == name_len && memcmp(p, name, name_len) == 0) {
			*len = 0;
			return p + n;
		}
		p += n;
		p += *p == '&';
	}
	return NULL;
}

bool
http_query_get(const char *query, const char *name, char *out, size_t size)
{
	size_t len;
	const char *raw = query_find(query, name, &len);

	if (size == 0)
		return false;
	out[0] = '\0';
	if (raw == NULL)
		return false;
	return http_decode(raw, len, DECODE_QUERY, out, size);
}
