#include "exec/e2b_trouble.h"

#include <stdio.h>
#include <string.h>

#include "util/json.h"

/* clang-format off */
static const struct {
	enum err_kind kind;
	const char *failure; /* NULL: another attempt may do better */
	bool passes;
	const char *text;
} troubles[] = {
	[E2B_FINE] = { ERR_BROKEN, "internal", false, "E2B answered well" },
	[E2B_QUOTA] = { ERR_DENIED, "quota", true,
	    "The E2B account already runs as many sandboxes as its plan allows. "
	    "There is room again when some of them end, or with a higher limit" },
	[E2B_RATE] = { ERR_DENIED, "e2b_rate", true,
	    "E2B accepts no more requests of this account at the moment. Start "
	    "the task again later" },
	[E2B_KEY] = { ERR_DENIED, "e2b_key", false,
	    "E2B rejects the API key (E2B_API_KEY): it may be mistyped or "
	    "revoked" },
	[E2B_BLOCKED] = { ERR_DENIED, "e2b_blocked", false,
	    "E2B has blocked the team of this API key. Its dashboard says why; "
	    "often it is a payment" },
	[E2B_TEMPLATE] = { ERR_DENIED, "e2b_template", false,
	    "E2B has no such template for this API key (E2B_TEMPLATE_ID)" },
	[E2B_REFUSED] = { ERR_INVALID, "e2b_refused", false,
	    "E2B refused the request" },
	[E2B_CAPACITY] = { ERR_DENIED, "e2b_capacity", true,
	    "E2B has no room for another sandbox at the moment. Start the task "
	    "again later" },
	[E2B_AWAY] = { ERR_DENIED, "e2b_away", true,
	    "E2B could not be reached, or failed" },
	[E2B_GONE] = { ERR_RETRY, NULL, false,
	    "The sandbox is gone: it was ended from outside, or its time was "
	    "over" },
	[E2B_UNREACHABLE] = { ERR_RETRY, NULL, true,
	    "The sandbox does not answer" },
	[E2B_CONFLICT] = { ERR_RETRY, NULL, true,
	    "The sandbox is changing its state" },
	[E2B_ABSENT] = { ERR_ABSENT, NULL, false,
	    "The sandbox has no such thing" },
	[E2B_SPACE] = { ERR_DENIED, "disk_full", false,
	    "The sandbox has no disk space left" },
	[E2B_PROTOCOL] = { ERR_BROKEN, "e2b_protocol", false,
	    "E2B answered in a way that this version of taskmill does not "
	    "understand" },
	[E2B_STOPPED] = { ERR_RETRY, NULL, false, "stopped" },
};
/* clang-format on */

_Static_assert(sizeof(troubles) / sizeof(troubles[0]) == E2B_TROUBLE_N,
    "every trouble has its row");

const char *
e2b_trouble_failure(enum e2b_trouble t)
{
	return troubles[t].failure;
}

bool
e2b_trouble_passes(enum e2b_trouble t)
{
	return troubles[t].passes;
}

int
e2b_trouble_set(struct err *e, enum e2b_trouble t, const char *said)
{
	return err_set(e, troubles[t].kind, "%s%s%s.", troubles[t].text,
	    said[0] == '\0' ? "" : ": ", said);
}

/* Of valid UTF-8, what fits, on one line, without a full stop at its end. */
static void
copy_words(char out[E2B_SAID_MAX], const char *text, size_t len)
{
	size_t n = len < E2B_SAID_MAX ? len : E2B_SAID_MAX - 1;

	while (n > 0 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)text[i] < 0x20 ? ' ' : text[i];
	while (n > 0 && (out[n - 1] == '.' || out[n - 1] == ' '))
		n--;
	out[n] = '\0';
}

/* What an error's body says, and its codes, as far as there are any. */
struct words {
	char said[E2B_SAID_MAX];
	char code[40]; /* error_code, or Connect's name of the error */
};

static void
read_words(struct words *w, const struct net_response *rs)
{
	struct json_object *o = NULL;
	struct err ignored = { 0 };
	const char *s;
	size_t len;

	*w = (struct words){ 0 };
	if (rs->body.len == 0 ||
	    json_read(&o, rs->body.data, rs->body.len, &ignored) == -1)
		return; /* a gateway's own page says nothing to us */
	if (json_get_string(o, "message", &s, &len) == JSON_FOUND)
		copy_words(w->said, s, len);
	if (json_get_string(o, "error_code", &s, &len) == JSON_FOUND ||
	    json_get_string(o, "code", &s, &len) == JSON_FOUND)
		(void)snprintf(w->code, sizeof(w->code), "%s", s);
	json_free(o);
}

static enum e2b_trouble
judge_429(const struct net_response *rs, const struct words *w)
{
	if (rs->retry_after_s >= 0)
		return E2B_RATE;
	if (strcmp(w->code, "resource_exhausted") == 0)
		return E2B_RATE; /* of a sandbox, which knows no quota */
	return E2B_QUOTA;
}

static enum e2b_trouble
judge_403(enum e2b_face face, const struct words *w)
{
	/* There is no code for it: the words tell. */
	return face == E2B_CREATE && strstr(w->said, "template") != NULL
	    ? E2B_TEMPLATE
	    : E2B_BLOCKED;
}

static enum e2b_trouble
judge_404(enum e2b_face face, const struct words *w)
{
	if (face == E2B_CREATE &&
	    (strstr(w->said, "template") != NULL ||
		strstr(w->said, "tag ") != NULL))
		return E2B_TEMPLATE;
	return face == E2B_CONTROL ? E2B_GONE : E2B_ABSENT;
}

static enum e2b_trouble
judge_5xx(enum e2b_face face, const struct net_response *rs,
    const struct words *w)
{
	if (face == E2B_ENVD)
		return rs->status == 507 ? E2B_SPACE
		    : rs->status == 502  ? E2B_UNREACHABLE
					 : E2B_AWAY;
	if (rs->status == 503 || strncmp(w->code, "sandbox_", 8) == 0)
		return E2B_CAPACITY;
	return E2B_AWAY;
}

enum e2b_trouble
e2b_judge(enum e2b_face face, const struct net_response *rs,
    char said[E2B_SAID_MAX])
{
	struct words w;

	said[0] = '\0';
	if (rs->status >= 200 && rs->status <= 299)
		return E2B_FINE;
	read_words(&w, rs);
	memcpy(said, w.said, sizeof(w.said));
	switch (rs->status) {
	case 401:
		/* A sandbox's token is its own: nobody mistyped that. */
		return face == E2B_ENVD ? E2B_PROTOCOL : E2B_KEY;
	case 402:
	case 403:
		return judge_403(face, &w);
	case 404:
	case 405:
		return judge_404(face, &w);
	case 409:
		return E2B_CONFLICT;
	case 416:
		return E2B_ABSENT;
	case 429:
		return judge_429(rs, &w);
	default:
		break;
	}
	if (rs->status >= 500 && rs->status <= 599)
		return judge_5xx(face, rs, &w);
	return rs->status >= 400 ? E2B_REFUSED : E2B_PROTOCOL;
}
