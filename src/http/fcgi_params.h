#ifndef HTTP_FCGI_PARAMS_H
#define HTTP_FCGI_PARAMS_H

#include <stddef.h>

#include "http/http.h"

/*
 * fcgi_params: the parameters of a FastCGI request, walked once, to a
 * http_request. libfcgi limits neither their number nor their size, and takes
 * the first of duplicates (F7, F8).
 */
#define FCGI_PARAMS_MAX 200
#define FCGI_PARAMS_BYTES_MAX (64u * 1024)
#define FCGI_PATH_MAX 2048 /* decoded, with NUL */
#define FCGI_ID_MAX 65     /* a request id, with NUL */

/* What the request is made of and does not borrow from envp. */
struct fcgi_parsed {
	struct http_request rq; /* no body yet */
	char path[FCGI_PATH_MAX];
	char request_id[FCGI_ID_MAX]; /* "": none came that is fit */
	size_t body_len;              /* as claimed by CONTENT_LENGTH (F9) */
};

/*
 * Reads envp ("NAME=value", NULL last). Returns 0, or the HTTP status of the
 * refusal with *why, a literal for the log and the client. p->rq is whole but
 * for the body in both cases: what could not be read is "".
 */
int fcgi_params_read(struct fcgi_parsed *p, const char *const *envp,
    const char **why);

#endif
