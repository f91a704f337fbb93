#ifndef HTTP_FCGI_PRIVATE_H
#define HTTP_FCGI_PRIVATE_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/fcgi.h"
#include "http/fcgi_params.h"

/* Shared by fcgi.c (waiting), fcgi_read.c and fcgi_write.c; for them only. */

#define FCGI_SLOTS 16

/* One connection of the web server. Free while rq.ipcFd is -1. */
struct fcgi_slot {
	FCGX_Request rq;
	int64_t idle_since_ms;
	bool silent;  /* has not sent its first byte yet (F14) */
	bool watched; /* is in the epoll set */
};

struct fcgi {
	struct fcgi_options o;
	int epoll_fd;
	bool last_call;
	bool listening; /* the listener is in the epoll set */
	int64_t full_since_ms;
	struct fcgi_slot slots[FCGI_SLOTS];

	struct fcgi_slot *current; /* of the request at work; or NULL */
	struct fcgi_parsed parsed;
	struct buf body;
	int status; /* of the last answer */

	struct http_response refusal;
	char id_stem[20]; /* of request ids that we make up */
	uint64_t id_count;
};

/*
 * Parameters and body of the current request. 0: f->parsed.rq is whole; else
 * the status of the refusal with *why, a literal.
 */
int fcgi_read(struct fcgi *f, const char **why);

/* Sends rs on the current connection, which stays open; see fcgi_answer(). */
int fcgi_write(struct fcgi *f, const struct http_response *rs,
    struct err *e) MUST_CHECK;

#endif
