/*
 * e2b: what is asked and answered, for LOG_LEVEL=debug. Headers are never
 * shown; of bodies only JSON is, without the values that are secret by their
 * names, and without the account's key and the sandbox's token wherever they
 * stand.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "exec/e2b.h"
#include "util/log.h"

#define SHOWN_MAX ((size_t)64 * 1024)
#define PLAIN_MAX 200 /* of an answer that is no JSON: a gateway's page */
#define PAGE_MAX 4096 /* of that is looked through for secrets */
#define SECRET_MIN 8
#define HIDDEN "***"

/* A member with one of these in its name is secret. */
static const char *const secret_words[] = { "token", "key", "secret",
	"password", "authorization" };

/* All that is in one of these is: variables, and what programs read and say. */
static const char *const secret_parts[] = { "envs", "envVars", "stdin", "pty",
	"stdout", "stderr" };

static bool
is_secret(const char *name)
{
	for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]);
	     i++)
		if (strcasestr(name, secret_words[i]) != NULL)
			return true;
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(secret_parts[0]);
	     i++)
		if (strcmp(name, secret_parts[i]) == 0)
			return true;
	return false;
}

static void put_object(struct json_out *j, struct json_object *o, bool hide);

static void
put_array(struct json_out *j, struct json_object *a, bool hide)
{
	json_open_array(j);
	for (size_t i = 0; i < json_array_size(a); i++) {
		struct json_object *one = json_array_object(a, i);
		const char *text = json_array_string(a, i);

		if (one != NULL)
			put_object(j, one, hide);
		else
			json_text(j, text == NULL || hide ? HIDDEN : text);
	}
	json_close_array(j);
}

/* As deep as the scanner let it be (JSON_DEPTH_MAX). */
static void
put_object(struct json_out *j, struct json_object *o, bool hide)
{
	const char *name;

	json_open(j);
	for (size_t i = 0; (name = json_member_name(o, i)) != NULL; i++) {
		struct json_object *member = json_member(o, name), *array;
		bool hidden = hide || is_secret(name);

		json_name(j, name);
		if (member != NULL && json_is_object(member))
			put_object(j, member, hidden);
		else if (json_get_array(o, name, &array) == JSON_FOUND)
			put_array(j, array, hidden);
		else if (member != NULL && hidden)
			json_text(j, HIDDEN);
		else
			json_value(j, member);
	}
	json_close(j);
}

/* Overwrites a secret wherever it stands. */
static void
scrub(char *text, const char *secret)
{
	size_t len = strlen(secret);

	if (len < SECRET_MIN)
		return;
	while ((text = strstr(text, secret)) != NULL) {
		memset(text, '*', len);
		text += len;
	}
}

/* What stands behind the name of a header of ours. */
static const char *
value_of(const char *header)
{
	const char *colon = strstr(header, ": ");

	return colon == NULL ? "" : colon + 2;
}

void
e2b_scrub(const struct e2b *b, char *text)
{
	scrub(text, b->set->api_key);
	scrub(text, value_of(b->token));
}

void
e2b_mask(struct buf *out, const char *body, size_t len)
{
	struct json_object *o = NULL;
	struct err ignored = { 0 };
	struct json_out j;

	if (len == 0 || json_read(&o, body, len, &ignored) == -1) {
		buf_addf(out, "(%zu bytes)", len);
		return;
	}
	json_start(&j, out);
	if (o != NULL && json_is_object(o))
		put_object(&j, o, false);
	else
		put_array(&j, o, false);
	json_free(o);
}

/* A file may hold anything, and be JSON all the same. */
static bool
is_file(const char *path)
{
	return strncmp(path, "/files", 6) == 0;
}

/* The beginning of a page; of a secret not even the beginning. */
static void
put_page(struct buf *out, const struct e2b *b, const char *body, size_t len)
{
	char text[PAGE_MAX + 1];

	if (len > PAGE_MAX)
		len = PAGE_MAX;
	memcpy(text, body, len);
	text[len] = '\0';
	e2b_scrub(b, text);
	buf_addf(out, " %.*s", PLAIN_MAX, text);
}

/* What is no JSON is a page of a gateway's: its beginning tells whose. */
static void
put_answer(struct buf *out, const struct e2b *b, const char *path,
    const struct net_response *rs)
{
	const char *body = rs->body.data == NULL ? "" : rs->body.data;
	size_t len = rs->body.len;
	size_t before = out->len;

	if (is_file(path) && rs->status < 300) {
		buf_addf(out, "(%zu bytes)", len);
		return;
	}
	e2b_mask(out, body, len);
	if (rs->status >= 300 && buf_ok(out) && len > 0 &&
	    out->data[before] == '(')
		put_page(out, b, body, len);
}

void
e2b_debug_request(const struct e2b *b, const char *method, const char *path,
    const char *body, size_t len)
{
	struct buf text = BUF(SHOWN_MAX);

	if (!log_wants(LOG_DEBUG))
		return;
	if (body != NULL && is_file(path))
		buf_addf(&text, "(%zu bytes)", len);
	else if (body != NULL)
		e2b_mask(&text, body, len);
	if (buf_ok(&text) && text.len > 0)
		e2b_scrub(b, text.data);
	log_line(LOG_DEBUG,
	    "e2b request method=%s path=" LOG_STR " body=" LOG_STR, method,
	    log_str(path), log_str(buf_ok(&text) ? text.data : "(too large)"));
	buf_clear(&text);
}

void
e2b_debug_answer(const struct e2b *b, const char *method, const char *path,
    const struct net_response *rs, int64_t took_ms)
{
	struct buf text = BUF(SHOWN_MAX);

	if (!log_wants(LOG_DEBUG))
		return;
	put_answer(&text, b, path, rs);
	if (buf_ok(&text) && text.len > 0)
		e2b_scrub(b, text.data);
	log_line(LOG_DEBUG,
	    "e2b answer method=%s path=" LOG_STR " status=%d ms=%jd bytes=%zu"
	    " body=" LOG_STR,
	    method, log_str(path), rs->status, (intmax_t)took_ms, rs->body.len,
	    log_str(buf_ok(&text) ? text.data : "(too large)"));
	buf_clear(&text);
}
