#include "github/classify.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/json.h"
#include "util/utf8.h"

#define ERRORS_MAX 5 /* of a validation that failed, the first few will do */
#define SAID_MAX (16 * 1024)

/* What GitHub says and its status do not tell apart, its words do. */
static const struct {
	int status; /* 0: any */
	const char *words;
	enum host_outcome outcome;
} phrases[] = {
	{ 0, "secondary rate limit", HOST_RATE_LIMIT },
	{ 0, "abuse detection", HOST_RATE_LIMIT },
	{ 403, "API rate limit exceeded", HOST_RATE_LIMIT },
	{ 403, "SAML enforcement", HOST_SSO },
	{ 403, "SAML SSO", HOST_SSO },
	{ 403, "was archived so is read-only", HOST_ARCHIVED },
	{ 422, "was archived so is read-only", HOST_ARCHIVED },
	{ 403, "Repository access blocked", HOST_BLOCKED },
	{ 403, "Repository has been locked", HOST_BLOCKED },
	{ 403, "has been disabled", HOST_BLOCKED },
	{ 403, "Resource not accessible by", HOST_NO_PERMISSION },
	{ 301, "Moved Permanently", HOST_CONFLICT },
	{ 307, "Temporary Redirect", HOST_CONFLICT },
	{ 308, "Permanent Redirect", HOST_CONFLICT },
	{ 0, "protected branch", HOST_PROTECTED },
	{ 0, "Repository rule violations", HOST_PROTECTED },
	{ 0, "Cannot create ref due to creations being restricted",
	    HOST_PROTECTED },
};

static enum host_outcome
outcome_of_words(int status, const char *said)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if ((phrases[i].status == 0 || phrases[i].status == status) &&
		    strcasestr(said, phrases[i].words) != NULL)
			return phrases[i].outcome;
	return HOST_OK;
}

static enum host_outcome
outcome_of_status(int status)
{
	switch (status) {
	case 401:
		return HOST_BAD_TOKEN;
	case 403:
		return HOST_FORBIDDEN;
	case 404:
	case 410:
		return HOST_NOT_FOUND;
	case 408:
		return HOST_TIMEOUT;
	case 409:
		return HOST_CONFLICT;
	case 400:
	case 413:
	case 422:
		return HOST_INVALID;
	case 429:
		return HOST_RATE_LIMIT;
	case 451:
		return HOST_BLOCKED;
	default:
		return status >= 500 ? HOST_UNREACHABLE : HOST_BROKEN;
	}
}

/* A borrowed string, NULL when there is none. */
static const char *
text_of(struct json_object *o, const char *name)
{
	const char *s;
	size_t len;

	return json_get_string(o, name, &s, &len) == JSON_FOUND ? s : NULL;
}

/* Of a list of reasons: strings, or objects with a message or a field. */
static void
add_reason(struct buf *said, struct json_object *errors, size_t i)
{
	const char *text = json_array_string(errors, i), *code = NULL;
	struct json_object *o = json_array_object(errors, i);

	if (text == NULL && o != NULL &&
	    (text = text_of(o, "message")) == NULL &&
	    (text = text_of(o, "field")) != NULL)
		code = text_of(o, "code");
	if (text == NULL)
		return;
	buf_addf(said, "%s%s", i == 0 ? ": " : "; ", text);
	if (code != NULL)
		buf_addf(said, " is %s", code);
}

/* What the body says, in one line; what is no JSON says nothing to users. */
static void
read_said(struct buf *said, const struct refusal *r)
{
	struct json_object *o = NULL, *errors;
	struct err e = { 0 };
	const char *text;

	if (r->len == 0 || json_read(&o, r->body, r->len, &e) == -1)
		return;
	if (!json_is_object(o) || (text = text_of(o, "message")) == NULL)
		goto out;
	buf_puts(said, text);
	if (json_get_array(o, "errors", &errors) == JSON_FOUND) {
		for (size_t i = 0;
		     i < ERRORS_MAX && i < json_array_size(errors); i++)
			add_reason(said, errors, i);
	} else if ((text = text_of(o, "errors")) != NULL) {
		buf_addf(said, ": %s", text);
	}
out:
	json_free(o);
}

void
classify_message(struct host_failure *f, const char *text, size_t len)
{
	struct buf clean = BUF(4 * SAID_MAX);
	size_t n;

	f->message[0] = '\0';
	utf8_clean(&clean, text, len > SAID_MAX ? SAID_MAX : len);
	if (buf_ok(&clean) && clean.len > 0) {
		n = clean.len < HOST_MESSAGE_MAX ? clean.len : HOST_MESSAGE_MAX;
		n = utf8_whole(clean.data, n);
		memcpy(f->message, clean.data, n);
		f->message[n] = '\0';
		for (char *c = f->message; *c != '\0'; c++)
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				*c = ' ';
	}
	buf_clear(&clean);
}

static int
bounded_wait(int64_t wait_s)
{
	if (wait_s < WAIT_MIN_S)
		return WAIT_MIN_S;
	return wait_s > WAIT_MAX_S ? WAIT_MAX_S : (int)wait_s;
}

/* -1: nobody said. */
static int
wait_of(const struct refusal *r, enum host_outcome outcome)
{
	char *end;
	long long reset;

	if (r->retry_after_s >= 0)
		return bounded_wait(r->retry_after_s);
	if (outcome != HOST_RATE_LIMIT)
		return -1;
	reset = strtoll(r->reset, &end, 10);
	if (strcmp(r->remaining, "0") == 0 && end != r->reset && reset > 0)
		return bounded_wait(reset - r->now_s);
	return WAIT_UNSAID_S;
}

/*
 * A limit is 403 as often as 429, and then only headers tell it from a lack
 * of rights. They come with other refusals too once a limit is used up, but
 * until then there is no telling what those would have been.
 */
static bool
is_limit(const struct refusal *r)
{
	return r->status == 403 &&
	    (r->retry_after_s >= 0 || strcmp(r->remaining, "0") == 0);
}

void
classify(const struct refusal *r, struct host_failure *f)
{
	struct buf said = BUF(SAID_MAX);

	memset(f, 0, sizeof(*f));
	f->status = r->status;
	read_said(&said, r);
	if (buf_ok(&said) && said.len > 0)
		classify_message(f, said.data, said.len);
	buf_clear(&said);
	f->outcome =
	    r->status < 500 ? outcome_of_words(r->status, f->message) : HOST_OK;
	/* The header comes with lists too, which then are only shortened. */
	if (r->status == 403 && strncmp(r->sso, "required", 8) == 0)
		f->outcome = HOST_SSO;
	if (f->outcome == HOST_OK)
		f->outcome = is_limit(r) ? HOST_RATE_LIMIT
					 : outcome_of_status(r->status);
	f->retry_after_s = wait_of(r, f->outcome);
}

bool
classify_says_exists(const struct host_failure *f)
{
	return f->status == 422 &&
	    strstr(f->message, "A pull request already exists") != NULL;
}
