#include "cmd/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/json.h"

#define ANSWER_MAX_BYTES ((size_t)192 << 20)
#define HEADER_MAX 8300

static int
need(const char **value, const char *name, struct err *e)
{
	if (*value == NULL || (*value)[0] == '\0')
		*value = getenv(name);
	if (*value == NULL || (*value)[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "%s is not set (after script/demo: . var/demo.env)", name);
	return 0;
}

int
client_open(struct client *c, const char *url, const char *ca_file,
    struct err *e)
{
	const char *token = NULL;
	size_t len;

	memset(c, 0, sizeof(*c));
	if (need(&url, "TASKMILL_URL", e) == -1 ||
	    need(&token, "TASKMILL_TOKEN", e) == -1)
		return -1;
	len = strlen(url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	if (len >= sizeof(c->url_room) || strlen(token) > HEADER_MAX - 64)
		return err_set(e, ERR_INVALID,
		    "TASKMILL_URL or TASKMILL_TOKEN is too long");
	memcpy(c->url_room, url, len);
	c->url_room[len] = '\0';
	c->url = c->url_room;
	c->ca_file = ca_file != NULL ? ca_file : getenv("TASKMILL_CA_FILE");
	if (c->ca_file != NULL && c->ca_file[0] == '\0')
		c->ca_file = NULL;
	if (asprintf(&c->bearer, "Authorization: Bearer %s", token) == -1) {
		c->bearer = NULL;
		return err_set(e, ERR_RETRY, "out of memory");
	}
	(void)signal(SIGPIPE, SIG_IGN); /* U11 */
	if (net_init(e) == -1 || net_new(&c->net, e) == -1) {
		client_close(c);
		return -1;
	}
	return 0;
}

void
client_close(struct client *c)
{
	net_free(c->net);
	c->net = NULL;
	if (c->bearer != NULL)
		explicit_bzero(c->bearer, strlen(c->bearer));
	free(c->bearer);
	c->bearer = NULL;
}

static enum err_kind
kind_of(int status)
{
	switch (status) {
	case 401:
		return ERR_UNKNOWN;
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_ABSENT;
	case 409:
		return ERR_CONFLICT;
	case 429:
		return ERR_RETRY;
	default:
		return status >= 500 ? ERR_RETRY : ERR_INVALID;
	}
}

/* The server's own words, {"error":"..."}; bounded, one line. */
static int
refused(const struct net_response *rs, struct err *e)
{
	struct json_object *o = NULL;
	struct err ignored = { 0 };
	const char *text;
	size_t len;

	if (rs->body.len > 0 &&
	    json_read(&o, rs->body.data, rs->body.len, &ignored) == 0 &&
	    json_get_string(o, "error", &text, &len) == JSON_FOUND)
		(void)err_set(e, kind_of(rs->status), "%.300s", text);
	else
		(void)err_set(e, kind_of(rs->status), "the server answered %d",
		    rs->status);
	json_free(o);
	return -1;
}

static int
fetch(struct client *c, const struct client_call *call, struct net_response *rs,
    struct err *e)
{
	char url[2048], key[320];
	const char *headers[4];
	size_t n = 0;
	struct net_request rq = {
		.method = call->method,
		.url = url,
		.headers = headers,
		.body = call->body,
		.body_len = call->body != NULL ? strlen(call->body) : 0,
		.max_body = ANSWER_MAX_BYTES,
		.timeout_ms = 60000,
		.ca_file = c->ca_file,
	};

	if (snprintf(url, sizeof(url), "%s%s", c->url, call->path) >=
	    (int)sizeof(url))
		return err_set(e, ERR_INVALID, "the address is too long");
	headers[n++] = c->bearer;
	if (call->body != NULL)
		headers[n++] = "Content-Type: application/json";
	if (call->key != NULL) {
		(void)snprintf(key, sizeof(key), "Idempotency-Key: %s",
		    call->key);
		headers[n++] = key;
	}
	headers[n] = NULL;
	if (net_fetch(c->net, &rq, rs, e) == -1)
		return -1;
	if (rs->status < 200 || rs->status > 299)
		return refused(rs, e);
	return 0;
}

int
client_json(struct client *c, const struct client_call *call,
    struct json_object **json, struct err *e)
{
	struct net_response rs = { 0 };
	int rc = -1;

	*json = NULL;
	if (fetch(c, call, &rs, e) == -1)
		goto out;
	if (rs.body.len == 0) {
		err_set(e, ERR_BROKEN, "the server's answer is empty");
		goto out;
	}
	if (json_read(json, rs.body.data, rs.body.len, e) == -1) {
		err_wrap(e, "the server's answer");
		goto out;
	}
	rc = 0;
out:
	net_response_clear(&rs);
	return rc;
}

int
client_json_patient(struct client *c, const struct client_call *call,
    unsigned int patience_s, struct json_object **json, struct err *e)
{
	int64_t end = clock_mono_ms() + (int64_t)patience_s * 1000;
	long pause_ms = 100;

	for (;;) {
		struct timespec t = {
			.tv_sec = pause_ms / 1000,
			.tv_nsec = pause_ms % 1000 * 1000000,
		};

		if (client_json(c, call, json, e) == 0)
			return 0;
		if (e->kind != ERR_RETRY || clock_mono_ms() + pause_ms > end)
			return -1;
		(void)nanosleep(&t, NULL);
		if (pause_ms < 5000)
			pause_ms *= 2;
	}
}

int
client_bytes(struct client *c, const char *path, struct buf *out, struct err *e)
{
	const struct client_call call = { .method = "GET", .path = path };
	struct net_response rs = { 0 };
	int rc = -1;

	if (fetch(c, &call, &rs, e) == -1)
		goto out;
	if (rs.body.len > 0)
		buf_add(out, rs.body.data, rs.body.len);
	if (!buf_ok(out)) {
		err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	rc = 0;
out:
	net_response_clear(&rs);
	return rc;
}

/* C0 but newline and tab, and DEL. */
static bool
is_control(char c)
{
	unsigned char b = (unsigned char)c;

	return (b < 0x20 && b != '\n' && b != '\t') || b == 0x7f;
}

/* A control character of the second set, as UTF-8: C2 80 to C2 9F. */
static bool
is_c1(const char *text, size_t len)
{
	return len >= 2 && (unsigned char)text[0] == 0xc2 &&
	    (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;
}

void
client_print(const char *text, size_t len)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;

	if (!terminal) {
		(void)fwrite(text, 1, len, stdout);
		return;
	}
	for (size_t i = 0; i < len; i++)
		if (is_c1(text + i, len - i)) {
			(void)putchar('?');
			i++;
		} else
			(void)putchar(is_control(text[i]) ? '?' : text[i]);
}

int
client_print_json(struct json_object *o, struct err *e)
{
	struct buf b = BUF(ANSWER_MAX_BYTES);
	struct json_out j;
	int rc = 0;

	json_start(&j, &b);
	json_value(&j, o);
	buf_puts(&b, "\n");
	if (buf_ok(&b))
		client_print(b.data, b.len);
	else
		rc = err_set(e, ERR_RETRY, "out of memory");
	(void)fflush(stdout);
	buf_clear(&b);
	return rc;
}
