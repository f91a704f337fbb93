#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "http/fcgi_private.h"

/* All headers, at their longest, with room to spare: well under the page that
 * nginx has for them (N8). */
#define HEAD_MAX 3072

/* Bytes for one call of FCGX_PutStr, which counts in int. */
#define PIECE_MAX (1024 * 1024)

static bool
has_header(const struct http_response *rs, const char *name)
{
	for (size_t i = 0; i < rs->header_count; i++)
		if (strcasecmp(rs->headers[i].name, name) == 0)
			return true;
	return false;
}

/* Status line and headers into head; their length. */
static int
write_head(char head[HEAD_MAX], const struct fcgi *f,
    const struct http_response *rs)
{
	bool bodiless = rs->status == 204 || rs->status == 304;
	int n;

	/* snprintf, and never the library's own printf (F10). */
	n = snprintf(head, HEAD_MAX, "Status: %d %s\r\nX-Request-Id: %s\r\n",
	    rs->status, http_reason(rs->status), f->parsed.request_id);
	if (!bodiless)
		n += snprintf(head + n, HEAD_MAX - (size_t)n,
		    "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    rs->content_type, rs->body.len);
	if (!has_header(rs, "Cache-Control"))
		n += snprintf(head + n, HEAD_MAX - (size_t)n,
		    "Cache-Control: no-store\r\n");
	for (size_t i = 0; i < rs->header_count; i++) {
		const struct http_header *h = &rs->headers[i];
		size_t need = strlen(h->name) + strlen(h->value) + 4;

		if ((size_t)n + need + 3 > HEAD_MAX)
			break;
		n += snprintf(head + n, HEAD_MAX - (size_t)n, "%s: %s\r\n",
		    h->name, h->value);
	}
	n += snprintf(head + n, HEAD_MAX - (size_t)n, "\r\n");
	return n;
}

static void
put(FCGX_Stream *out, const char *bytes, size_t len)
{
	while (len > 0 && FCGX_GetError(out) == 0) {
		int n = len > PIECE_MAX ? PIECE_MAX : (int)len;

		(void)FCGX_PutStr(bytes, n, out);
		bytes += n;
		len -= (size_t)n;
	}
}

int
fcgi_write(struct fcgi *f, const struct http_response *rs, struct err *e)
{
	FCGX_Request *rq = &f->current->rq;
	char head[HEAD_MAX];
	int error;

	f->status = rs->status;
	put(rq->out, head, (size_t)write_head(head, f, rs));
	if (f->parsed.rq.method != HTTP_HEAD && rs->status != 204 &&
	    rs->status != 304)
		put(rq->out, rs->body.data, rs->body.len);

	/*
	 * Closing the streams here, and not in FCGX_Finish_r, tells how it
	 * went (F11) and still sends a small answer in one write. stderr goes
	 * first: the last one closed carries the end of the request.
	 */
	(void)FCGX_FClose(rq->err);
	(void)FCGX_FClose(rq->out);
	error = FCGX_GetError(rq->out);
	if (error == 0)
		return 0;
	if (error > 0) {
		errno = error;
		return err_sys(e, ERR_RETRY, "send an answer");
	}
	return err_set(e, ERR_RETRY, "send an answer: FastCGI error %d", error);
}
