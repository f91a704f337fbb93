#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http/fcgi_private.h"

/* A body over the limit is read away up to this, so that the answer arrives
 * whole (F5): closing with unread bytes would reset the connection. */
#define DISCARD_MAX (16u * 1024 * 1024)

#define ROLE_RESPONDER 1

static void
give_id(struct fcgi *f)
{
	if (f->parsed.request_id[0] != '\0')
		return;
	(void)snprintf(f->parsed.request_id, sizeof(f->parsed.request_id),
	    "%s-%llx", f->id_stem, (unsigned long long)++f->id_count);
}

/*
 * Reads to the end of stdin, so that its empty record is consumed and the next
 * request on this connection starts where it should (F4, F5). True if nothing
 * but the end was there.
 */
static bool
drain(FCGX_Request *rq)
{
	char away[4096];
	size_t total = 0;
	int n;

	while ((n = FCGX_GetStr(away, sizeof(away), rq->in)) > 0) {
		total += (size_t)n;
		if (total > DISCARD_MAX) {
			rq->keepConnection = 0;
			break;
		}
	}
	return total == 0;
}

static int
read_body(struct fcgi *f, const char **why)
{
	FCGX_Request *rq = &f->current->rq;
	size_t len = f->parsed.body_len;
	char *to;
	int n;

	*why = "Request body too large";
	if (len > f->o.body_max)
		return 413;
	*why = "Out of memory";
	if ((to = buf_reserve(&f->body, len)) == NULL)
		return 503;
	n = FCGX_GetStr(to, (int)len, rq->in);
	*why = "Request body is shorter than its Content-Length";
	if (n < 0 || (size_t)n != len)
		return 400;
	f->body.len = len;
	to[len] = '\0';
	f->parsed.rq.body = to;
	f->parsed.rq.body_len = len;
	return 0;
}

int
fcgi_read(struct fcgi *f, const char **why)
{
	FCGX_Request *rq = &f->current->rq;
	/* C lets no char ** become a const char *const * by itself. */
	int status =
	    fcgi_params_read(&f->parsed, (const char *const *)rq->envp, why);
	bool ended;

	give_id(f);
	if (status == 0 && rq->role != ROLE_RESPONDER) {
		*why = "Not a FastCGI responder request";
		status = 400;
	}
	buf_reset(&f->body);
	if (status == 0)
		status = read_body(f, why);
	ended = drain(rq);
	if (status == 0 && !ended) {
		*why = "Request body is longer than its Content-Length";
		status = 400;
	}
	if (status == 0 && FCGX_GetError(rq->in) != 0) {
		*why = "Request body is incomplete";
		status = 400;
	}
	return status;
}
