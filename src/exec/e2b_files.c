/* e2b: files in and out (E2B protocol 3.3, 3.4). */
#include <stdio.h>
#include <string.h>

#include "exec/e2b.h"
#include "util/encode.h"

#define ANSWER_MAX ((size_t)64 * 1024)
#define BOUNDARY_BYTES 16
#define PIECE ((size_t)1024 * 1024)
#define PUT_CALL_MS 120000

/* Letters that stand for themselves in a query. */
static const char plain[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "0123456789-._~/";

static bool
is_ours(const char *path)
{
	return strncmp(path, SANDBOX_CONTROL "/",
		   strlen(SANDBOX_CONTROL) + 1) == 0;
}

/* "/files?path=...&username=..."; our paths need no escapes. */
static int
make_path(char *out, size_t size, const char *path, struct err *e)
{
	bool home =
	    strncmp(path, SANDBOX_HOME "/", strlen(SANDBOX_HOME) + 1) == 0;
	int n;

	if ((!is_ours(path) && !home) || strstr(path, "..") != NULL ||
	    path[strspn(path, plain)] != '\0')
		return err_set(e, ERR_INVALID,
		    "no such place in a sandbox: %.100s", path);
	n = snprintf(out, size, "/files?path=%s&username=%s", path,
	    home ? "user" : "root");
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ERR_INVALID, "a path is too long");
	return 0;
}

/* The rights are set by the next command: there is no call for it. */
static void
note_mode(struct e2b *b, const char *path, unsigned int mode)
{
	buf_addf(&b->modes, "%o", mode & 0777);
	buf_add(&b->modes, "", 1);
	buf_puts(&b->modes, path);
	buf_add(&b->modes, "", 1);
	b->mode_count++;
}

int
e2b_put(struct sandbox *sb, const char *path, const void *bytes, size_t len,
    unsigned int mode, struct err *e)
{
	struct e2b *b = (struct e2b *)sb;
	unsigned char random[BOUNDARY_BYTES];
	char boundary[2 * BOUNDARY_BYTES + 1], type[128], query[512];
	struct buf body = BUF(len + 1024);
	struct e2b_request rq = { .face = E2B_ENVD,
		.method = "POST",
		.path = query,
		.type = type,
		.max_body = ANSWER_MAX,
		.timeout_ms = PUT_CALL_MS };
	struct net_response rs = { 0 };
	int rc = -1;

	if (make_path(query, sizeof(query), path, e) == -1)
		return -1;
	if (b->runs < b->known_runs) { /* it was put before that command */
		note_mode(b, path, mode);
		return 0;
	}
	/* Uploads are done by root, and follow what an agent may have left. */
	if (!is_ours(path) && b->untrusted)
		return err_set(e, ERR_INVALID,
		    "the sandbox's home is the agent's by now");
	random_fill(random, sizeof(random));
	encode_hex(boundary, random, sizeof(random));
	(void)snprintf(type, sizeof(type),
	    "Content-Type: multipart/form-data; boundary=%s", boundary);
	buf_addf(&body,
	    "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
	    "filename=\"file\"\r\nContent-Type: "
	    "application/octet-stream\r\n\r\n",
	    boundary);
	buf_add(&body, bytes, len);
	buf_addf(&body, "\r\n--%s--\r\n", boundary);
	rq.body = body.data;
	rq.body_len = body.len;
	if (!buf_ok(&body))
		(void)err_set(e, ERR_RETRY, "out of memory");
	else
		rc = e2b_ask_again(b, &rq, &rs, e);
	if (rc == 0)
		note_mode(b, path, mode);
	net_response_clear(&rs);
	buf_wipe(&body);
	return rc;
}

/* One span of a file. *more: the span was filled, so there may be more. */
static int
read_span(struct e2b *b, const char *query, uint64_t from, size_t most,
    struct buf *out, struct err *e)
{
	char range[80];
	const struct e2b_request rq = { .face = E2B_ENVD,
		.method = "GET",
		.path = query,
		.header = range,
		.max_body = most < ANSWER_MAX ? ANSWER_MAX : most };
	struct net_response rs;
	int rc;

	(void)snprintf(range, sizeof(range), "Range: bytes=%llu-%llu",
	    (unsigned long long)from, (unsigned long long)(from + most - 1));
	rc = e2b_ask_again(b, &rq, &rs, e);
	if (rc == -1 && b->trouble == E2B_ABSENT && rs.status == 416) {
		b->host->failure = NULL;
		rc = 0; /* nothing there yet */
	} else if (rc == 0 && rs.status == 200 && rs.body.len == 0) {
		/* An empty file has no parts: Go's server sends the whole. */
	} else if (rc == 0 && (rs.status != 206 || rs.body.len > most)) {
		/* Without Range it is the whole, which began before from. */
		rc = e2b_fail(b, E2B_PROTOCOL, "a part of a file", e);
	} else if (rc == 0) {
		buf_add(out, rs.body.data, rs.body.len);
	}
	net_response_clear(&rs);
	return rc;
}

int
e2b_read_from(struct e2b *b, const char *path, uint64_t from, size_t most,
    struct buf *out, struct err *e)
{
	char query[512];

	if (make_path(query, sizeof(query), path, e) == -1)
		return -1;
	return read_span(b, query, from, most, out, e);
}

int
e2b_get(struct sandbox *sb, const char *path, struct buf *out, struct err *e)
{
	struct e2b *b = (struct e2b *)sb;
	char query[512];
	size_t before, span;

	if (make_path(query, sizeof(query), path, e) == -1)
		return -1;
	do {
		size_t room = out->max - out->len;

		/* One more than fits tells that it does not. */
		span = room < PIECE ? room + 1 : PIECE;
		before = out->len;
		if (read_span(b, query, before, span, out, e) == -1)
			return -1;
		if (!buf_ok(out))
			return err_set(e, ERR_INVALID, "%s is too large", path);
	} while (out->len - before == span);
	return 0;
}
