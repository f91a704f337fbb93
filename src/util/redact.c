#include "util/redact.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MIN 8
#define SECRET_MAX 65536
#define PATTERN_MAX 256
#define HELD_MAX (SIZE_MAX / 4)

static const char marker[] = "[redacted]";

/*
 * What to look for: bytes, each of which may stand in the text as itself, as
 * %XX, or as JSON escapes it. A secret becomes one pattern as it is, and one
 * for each of the three ways in which it can lie across base64's groups of
 * three bytes. JSON in a string of JSON is escaped twice, and so on, which
 * makes more backslashes of one: how many must be known where the secret has
 * one itself, so there it becomes a pattern for each depth.
 */
struct pattern {
	unsigned char *bytes; /* locked memory */
	size_t len;
	bool base64;  /* '-' may stand for '+', and '_' for '/' */
	bool escaped; /* a '%' of the secret stands as %25 and never bare */
	size_t backslashes; /* that stand for one of the secret */
};

#define JSON_DEPTH 3 /* escaped so many times */
#define BACKSLASHES_MAX (((size_t)1 << JSON_DEPTH) - 1) /* before a quote */

struct redact {
	struct pattern patterns[PATTERN_MAX];
	size_t count;
	bool begins[256]; /* some pattern may begin with this byte */
};

struct redact_stream {
	const struct redact *r;
	struct buf held;
	size_t covered; /* so many held bytes are behind a marker already */
	size_t found;
};

int
redact_new(struct redact **r, struct err *e)
{
	if ((*r = calloc(1, sizeof(**r))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	return 0;
}

void
redact_free(struct redact *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		sodium_free(r->patterns[i].bytes); /* wipes */
	free(r);
}

/* Adds a pattern of len bytes and returns where they go; NULL: cannot. */
static unsigned char *
add_pattern(struct redact *r, size_t len, bool base64, bool escaped)
{
	struct pattern *p = &r->patterns[r->count];

	if (r->count == PATTERN_MAX || (p->bytes = sodium_malloc(len)) == NULL)
		return NULL;
	p->len = len;
	p->base64 = base64;
	p->escaped = escaped;
	p->backslashes = 1;
	r->count++;
	return p->bytes;
}

/* Notes with which bytes the newest pattern may begin. */
static void
note_beginning(struct redact *r)
{
	const struct pattern *p = &r->patterns[r->count - 1];

	r->begins[p->bytes[0]] = true;
	r->begins['%'] = true;
	r->begins['\\'] = true;
	if (p->base64 && p->bytes[0] == '+')
		r->begins['-'] = true;
	if (p->base64 && p->bytes[0] == '/')
		r->begins['_'] = true;
}

static int
learn_plain(struct redact *r, const char *secret, size_t len, bool escaped)
{
	unsigned char *to = add_pattern(r, len, false, escaped);

	if (to == NULL)
		return -1;
	memcpy(to, secret, len);
	note_beginning(r);
	return 0;
}

/* The secret as it is, and as JSON escapes it where that must be known. */
static int
learn_depths(struct redact *r, const char *secret, size_t len, bool escaped)
{
	size_t deepest = memchr(secret, '\\', len) != NULL ? JSON_DEPTH : 0;

	for (size_t depth = 0; depth <= deepest; depth++) {
		if (learn_plain(r, secret, len, escaped) == -1)
			return -1;
		r->patterns[r->count - 1].backslashes = (size_t)1 << depth;
	}
	return 0;
}

/*
 * The secret in base64 with ahead (0 to 2) foreign bytes before it in its
 * group: only those characters that no foreign byte has a part in.
 */
static int
learn_base64(struct redact *r, const char *secret, size_t len, size_t ahead)
{
	const int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	size_t first = (8 * ahead + 5) / 6;
	size_t last = (8 * (ahead + len)) / 6;
	size_t size = sodium_base64_encoded_len(ahead + len, variant);
	unsigned char *plain = sodium_malloc(ahead + len);
	char *text = sodium_malloc(size);
	unsigned char *to = NULL;

	if (plain != NULL && text != NULL)
		to = add_pattern(r, last - first, true, false);
	if (to != NULL) {
		memset(plain, 0, ahead);
		memcpy(plain + ahead, secret, len);
		(void)sodium_bin2base64(text, size, plain, ahead + len,
		    variant);
		memcpy(to, text + first, last - first);
		note_beginning(r);
	}
	sodium_free(plain);
	sodium_free(text);
	return to == NULL ? -1 : 0;
}

int
redact_learn(struct redact *r, const char *secret, size_t len, struct err *e)
{
	int rc;

	if (len < SECRET_MIN || len > SECRET_MAX)
		return err_set(e, ERR_INVALID,
		    "a secret must have %d to %d bytes", SECRET_MIN,
		    SECRET_MAX);
	rc = learn_depths(r, secret, len, false);
	/* A bare '%' and %25 at once would make the match ambiguous. */
	if (rc == 0 && memchr(secret, '%', len) != NULL)
		rc = learn_depths(r, secret, len, true);
	for (size_t ahead = 0; rc == 0 && ahead < 3; ahead++)
		rc = learn_base64(r, secret, len, ahead);
	if (rc == -1)
		return err_set(e, ERR_RETRY,
		    "no memory, or too many secrets, to redact");
	return 0;
}

/* The value of a hex digit; -1 if it is none. */
static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
same(const struct pattern *p, unsigned char want, int got)
{
	if (want == got)
		return true;
	return p->base64 &&
	    ((want == '+' && got == '-') || (want == '/' && got == '_'));
}

/*
 * True if the first digit of %XX fits: of either byte that base64 allows.
 */
static bool
same_high(const struct pattern *p, unsigned char want, int high)
{
	if (want >> 4 == high)
		return true;
	return p->base64 &&
	    ((want == '+' && '-' >> 4 == high) ||
		(want == '/' && '_' >> 4 == high));
}

#define NO_MATCH 0
#define MORE SIZE_MAX /* matches as far as the text goes */

/* Four hex digits behind a 'u', which say want. */
static size_t
match_unicode(const struct pattern *p, unsigned char want,
    const unsigned char *t, size_t left)
{
	int value = 0, digit;

	for (size_t i = 0; i < 4; i++) {
		if (i == left)
			return MORE;
		if ((digit = hex_value(t[i])) == -1)
			return NO_MATCH;
		value = value * 16 + digit;
	}
	return same(p, want, value) ? 4 : NO_MATCH;
}

/* What JSON may write behind a backslash for want; '\0': nothing so short. */
static unsigned char
short_escape(unsigned char want)
{
	static const char letters[] = "bfnrt\"/";
	static const char meanings[] = "\b\f\n\r\t\"/";
	const char *at = want == '\0' ? NULL : strchr(meanings, want);

	return at == NULL ? '\0' : (unsigned char)letters[at - meanings];
}

/* The same of a byte that begins with a backslash, as JSON may write it. */
static size_t
match_json(const struct pattern *p, unsigned char want, const unsigned char *t,
    size_t left)
{
	size_t run = 0, n;

	while (run < left && t[run] == '\\')
		run++;
	if (want == '\\' && run >= p->backslashes)
		return p->backslashes;
	if (run > BACKSLASHES_MAX)
		return NO_MATCH;
	if (run == left)
		return MORE;
	if (t[run] == 'u') {
		n = match_unicode(p, want, t + run + 1, left - run - 1);
		return n == MORE || n == NO_MATCH ? n : run + 1 + n;
	}
	return want != '\\' && short_escape(want) == t[run] && t[run] != '\0'
	    ? run + 1
	    : NO_MATCH;
}

/* Length of the text's form of one pattern byte at t, NO_MATCH or MORE. */
static size_t
match_byte(const struct pattern *p, unsigned char want, const unsigned char *t,
    size_t left)
{
	int high, low;

	if (left == 0)
		return MORE;
	if (t[0] == '\\')
		return match_json(p, want, t, left);
	if (same(p, want, t[0]) && !(p->escaped && want == '%'))
		return 1;
	if (t[0] != '%')
		return NO_MATCH;
	if (left == 1)
		return MORE;
	high = hex_value(t[1]);
	if (high == -1 || !same_high(p, want, high))
		return NO_MATCH;
	if (left == 2)
		return MORE;
	low = hex_value(t[2]);
	return low != -1 && same(p, want, high << 4 | low) ? 3 : NO_MATCH;
}

/* Length of the pattern's occurrence at t, NO_MATCH or MORE. */
static size_t
match(const struct pattern *p, const unsigned char *t, size_t left)
{
	size_t at = 0, n;

	for (size_t i = 0; i < p->len; i++) {
		n = match_byte(p, p->bytes[i], t + at, left - at);
		if (n == NO_MATCH || n == MORE)
			return n;
		at += n;
	}
	return at;
}

/* The longest occurrence of any pattern at t; MORE if one may yet be. */
static size_t
longest(const struct redact *r, const unsigned char *t, size_t left, bool ended)
{
	size_t best = NO_MATCH, n;

	if (!r->begins[t[0]])
		return NO_MATCH;
	for (size_t i = 0; i < r->count; i++) {
		n = match(&r->patterns[i], t, left);
		if (n == MORE && !ended)
			return MORE;
		if (n != MORE && n > best)
			best = n;
	}
	return best;
}

/*
 * Appends text with every occurrence covered; where occurrences overlap,
 * their union is. Returns how many bytes are done with; unless the text has
 * ended, the rest may be the beginning of an occurrence. *found: one more for
 * each marker.
 */
static size_t
cover(const struct redact *r, struct buf *out, const char *text, size_t len,
    bool ended, size_t *covered, size_t *found)
{
	const unsigned char *t = (const unsigned char *)text;
	size_t end = *covered, plain = end, i, n;

	/* text[plain..i) is fit to show; all before end is behind a marker. */
	for (i = 0; i < len; i++) {
		if ((n = longest(r, t + i, len - i, ended)) == MORE)
			break;
		if (n == NO_MATCH)
			continue;
		if (i >= end) {
			buf_add(out, text + plain, i - plain);
			buf_puts(out, marker);
			(*found)++;
		}
		if (i + n > end)
			plain = end = i + n;
	}
	if (i > plain)
		buf_add(out, text + plain, i - plain);
	*covered = end > i ? end - i : 0;
	return i;
}

void
redact_text(const struct redact *r, struct buf *out, const char *text,
    size_t len)
{
	size_t covered = 0, found = 0;

	(void)cover(r, out, text, len, true, &covered, &found);
}

int
redact_stream_new(struct redact_stream **s, const struct redact *r,
    struct err *e)
{
	if ((*s = calloc(1, sizeof(**s))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	(*s)->r = r;
	(*s)->held.max = HELD_MAX;
	return 0;
}

void
redact_stream_free(struct redact_stream *s)
{
	if (s == NULL)
		return;
	buf_wipe(&s->held);
	free(s);
}

static void
advance(struct redact_stream *s, struct buf *out, bool ended)
{
	size_t done;

	if (!buf_ok(&s->held)) {
		out->failed =
		    true; /* bytes are missing: say so, once for all */
		return;
	}
	if (s->held.len == 0)
		return;
	done = cover(s->r, out, s->held.data, s->held.len, ended, &s->covered,
	    &s->found);
	buf_drop(&s->held, done);
}

void
redact_feed(struct redact_stream *s, struct buf *out, const char *bytes,
    size_t len)
{
	buf_add(&s->held, bytes, len);
	advance(s, out, false);
}

void
redact_flush(struct redact_stream *s, struct buf *out)
{
	advance(s, out, true);
	s->covered = 0;
}

size_t
redact_stream_found(const struct redact_stream *s)
{
	return s->found;
}
