#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/net.h"

/*
 * client: our own API as its user sees it, for "taskmill task". Where it is
 * and who asks come from the environment, since a token in argv is everybody's:
 * TASKMILL_URL, TASKMILL_TOKEN, TASKMILL_CA_FILE.
 */
struct json_object;

struct client {
	struct net *net;
	const char *url;     /* without a slash at its end */
	const char *ca_file; /* NULL: the system's */
	char *bearer;        /* "Authorization: Bearer ...", secret */
	char url_room[1024];
};

int client_open(struct client *c, const char *url, const char *ca_file,
    struct err *e) MUST_CHECK;
void client_close(struct client *c); /* takes a zeroed struct */

struct client_call {
	const char *method;
	const char *path; /* "/api/..." */
	const char *body; /* JSON, or NULL */
	const char *key;  /* Idempotency-Key, or NULL */
};

/*
 * Makes a call; *json is the caller's to free. An answer that is no 2xx is an
 * error with the server's own text: 400 and 422 ERR_INVALID, 401 ERR_UNKNOWN,
 * 403 ERR_DENIED, 404 ERR_ABSENT, 409 ERR_CONFLICT, 429 and 5xx ERR_RETRY.
 */
int client_json(struct client *c, const struct client_call *call,
    struct json_object **json, struct err *e) MUST_CHECK;

/*
 * client_json() for a call that does no harm when repeated: goes on over
 * ERR_RETRY for as long as patience_s, with growing pauses.
 */
int client_json_patient(struct client *c, const struct client_call *call,
    unsigned int patience_s, struct json_object **json,
    struct err *e) MUST_CHECK;

/* GETs path and appends the body as it is. */
int client_bytes(struct client *c, const char *path, struct buf *out,
    struct err *e) MUST_CHECK;

/*
 * Writes text from elsewhere to standard output; on a terminal, control
 * characters but newline and tab become '?', so that an agent cannot drive it.
 */
void client_print(const char *text, size_t len);

/* The same for a value that was read: one line of JSON. ERR_RETRY: memory. */
int client_print_json(struct json_object *o, struct err *e) MUST_CHECK;

#endif
