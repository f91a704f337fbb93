#ifndef HTTP_FCGI_PRIVATE_H
#define HTTP_FCGI_PRIVATE_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/fcgi.h"
#include "http/fcgi_params.h"

/*
 * Shared by fcgi.c (the order of things), fcgi_slots.c (connections),
 * fcgi_read.c and fcgi_write.c; for them only.
 */

#define FCGI_SLOTS 16

/* Names of what epoll reports; below them, the number of a slot. */
#define EV_LISTENER FCGI_SLOTS
#define EV_LIFELINE (FCGI_SLOTS + 1)

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

/* Adds fd to what is waited for, under that name. */
int slots_watch(struct fcgi *f, int fd, uint32_t events, uint32_t name);

/* Waits for new connections, or not. */
int slots_listen(struct fcgi *f);
void slots_deafen(struct fcgi *f);

/* Drops peers that never spoke; true if some may still be waited for. */
bool slots_sweep(struct fcgi *f);

/* To be called before each wait: its limit in ms, -1 for none. */
int slots_prepare(struct fcgi *f);

/*
 * After an event about a slot or the listener: *s is the slot from which a
 * request can be read now, or NULL. -1: the listener is broken.
 */
int slots_choose(struct fcgi *f, uint32_t name, struct fcgi_slot **s,
    struct err *e) MUST_CHECK;

/* Leaves an open connection alone until it has something to read. */
void slot_park(struct fcgi *f, struct fcgi_slot *s, bool silent);
void slot_close(struct fcgi_slot *s);

/*
 * Parameters and body of the current request. 0: f->parsed.rq is whole; else
 * the status of the refusal with *why, a literal.
 */
int fcgi_read(struct fcgi *f, const char **why);

/* Sends rs on the current connection, which stays open; see fcgi_answer(). */
int fcgi_write(struct fcgi *f, const struct http_response *rs,
    struct err *e) MUST_CHECK;

#endif
