/*
 * The strict half of util/json.h: json-c's own "strict" takes single quotes,
 * NaN, raw control characters, duplicates and much else (K1), validates UTF-8
 * with holes (K2) and stops at a NUL (K3). So nothing reaches it unscanned.
 */
#include <stdio.h>
#include <string.h>

#include "util/json.h"
#include "util/json_names.h"
#include "util/utf8.h"

struct scan {
	const char *text;
	size_t len;
	size_t at;
	unsigned int depth;
	struct json_names names; /* of all open objects, innermost last */
	struct err *e;
};

static int value(struct scan *s);

/* Fills the error with the place of byte at. Columns are characters. */
static int
fault(struct scan *s, size_t at, const char *what)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < at; i++)
		if (s->text[i] == '\n') {
			line++;
			start = i + 1;
		}
	return err_set(s->e, ERR_INVALID, "line %zu, column %zu: %s", line,
	    utf8_length(s->text + start, at - start) + 1, what);
}

/* What stands at the scan's place should not. */
static int
unexpected(struct scan *s)
{
	char what[32];
	unsigned char c;

	if (s->at >= s->len)
		return fault(s, s->at, "unexpected end");
	c = (unsigned char)s->text[s->at];
	if (c > 0x20 && c < 0x7f)
		(void)snprintf(what, sizeof(what), "unexpected '%c'", c);
	else
		(void)snprintf(what, sizeof(what), "unexpected byte %02x", c);
	return fault(s, s->at, what);
}

/* The byte at the scan's place; NUL at the end, which fits no grammar. */
static char
peek(const struct scan *s)
{
	return s->at < s->len ? s->text[s->at] : '\0';
}

static void
blanks(struct scan *s)
{
	char c = peek(s);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		s->at++;
		c = peek(s);
	}
}

/* The code unit of a \u escape at byte at; -1 if none is there. */
static int
unit(const struct scan *s, size_t at)
{
	if (s->len - at < 6 || s->text[at] != '\\' || s->text[at + 1] != 'u')
		return -1;
	return json_hex4(s->text + at + 2);
}

/* Takes a backslash and what belongs to it. */
static int
escape(struct scan *s)
{
	int u;

	if (s->len - s->at < 2)
		return fault(s, s->len, "unexpected end");
	if (s->text[s->at + 1] != 'u') {
		if (memchr("\"\\/bfnrt", s->text[s->at + 1], 8) == NULL)
			return fault(s, s->at, "unknown escape");
		s->at += 2;
		return 0;
	}
	if ((u = unit(s, s->at)) == -1)
		return fault(s, s->at, "\\u without four hex digits");
	if (u == 0)
		return fault(s, s->at, "\\u0000 is not allowed");
	if (u >= 0xd800 && u <= 0xdfff) {
		int second = unit(s, s->at + 6);

		if (u >= 0xdc00 || second < 0xdc00 || second > 0xdfff)
			return fault(s, s->at, "lone surrogate");
		s->at += 6;
	}
	s->at += 6;
	return 0;
}

/* Takes a run of bytes above 0x7f, which must be valid on their own. */
static int
foreign(struct scan *s)
{
	size_t from = s->at;

	while (s->at < s->len && (unsigned char)s->text[s->at] >= 0x80)
		s->at++;
	if (!utf8_valid(s->text + from, s->at - from))
		return fault(s, from, "invalid UTF-8");
	return 0;
}

static int
string(struct scan *s)
{
	unsigned char c;

	if (peek(s) != '"')
		return unexpected(s);
	s->at++;
	while (s->at < s->len) {
		c = (unsigned char)s->text[s->at];
		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c < 0x20)
			return fault(s, s->at, "control character in a string");
		if (c == '\\') {
			if (escape(s) == -1)
				return -1;
		} else if (c >= 0x80) {
			if (foreign(s) == -1)
				return -1;
		} else
			s->at++;
	}
	return unexpected(s);
}

/* Takes digits, of which there must be one at least. */
static int
digits(struct scan *s)
{
	if (peek(s) < '0' || peek(s) > '9')
		return unexpected(s);
	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return 0;
}

/* True if the digits fit into 64 bits with their sign. */
static bool
fits(const char *digit, size_t n, bool negative)
{
	/* As many digits as INT64_MAX has: then text order is number order. */
	static const char most[] = "9223372036854775807";
	static const char least[] = "9223372036854775808";

	if (n != sizeof(most) - 1)
		return n < sizeof(most) - 1;
	return memcmp(digit, negative ? least : most, n) <= 0;
}

static int
number(struct scan *s)
{
	size_t from = s->at, first;
	bool integer = true;

	if (peek(s) == '-')
		s->at++;
	first = s->at;
	if (peek(s) == '0')
		s->at++; /* and no digit after it: a leading zero */
	else if (digits(s) == -1)
		return -1;
	if (s->at < s->len && peek(s) == '.') {
		integer = false;
		s->at++;
		if (digits(s) == -1)
			return -1;
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		integer = false;
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		if (digits(s) == -1)
			return -1;
	}
	if (integer && !fits(s->text + first, s->at - first, first != from))
		return fault(s, from, "integer beyond 64 bits");
	return 0;
}

static int
literal(struct scan *s, const char *word)
{
	for (; *word != '\0'; word++) {
		if (peek(s) != *word)
			return unexpected(s);
		s->at++;
	}
	return 0;
}

/* Takes one member's name and remembers it. */
static int
member_name(struct scan *s)
{
	size_t from = s->at;

	if (string(s) == -1)
		return -1;
	/* Without its quotes. */
	return json_names_add(&s->names, s->text + from + 1, s->at - from - 2,
	    s->e);
}

static int
member(struct scan *s)
{
	blanks(s);
	if (member_name(s) == -1)
		return -1;
	blanks(s);
	if (peek(s) != ':')
		return unexpected(s);
	s->at++;
	return value(s);
}

/* Takes a comma, or the closing bracket: *more says which. */
static int
next(struct scan *s, char closing, bool *more)
{
	blanks(s);
	*more = peek(s) == ',';
	if (!*more && peek(s) != closing)
		return unexpected(s);
	s->at++;
	return 0;
}

static int
object(struct scan *s)
{
	size_t first = s->names.count;
	const char *again;
	bool more = true;

	s->at++;
	blanks(s);
	if (peek(s) == '}') {
		s->at++;
		return 0;
	}
	while (more)
		if (member(s) == -1 || next(s, '}', &more) == -1)
			return -1;
	if ((again = json_names_again(&s->names, first)) != NULL)
		return fault(s, (size_t)(again - s->text) - 1,
		    "a member name for the second time");
	s->names.count = first;
	return 0;
}

static int
array(struct scan *s)
{
	bool more = true;

	s->at++;
	blanks(s);
	if (peek(s) == ']') {
		s->at++;
		return 0;
	}
	while (more)
		if (value(s) == -1 || next(s, ']', &more) == -1)
			return -1;
	return 0;
}

/* An object or an array; the recursion ends at JSON_DEPTH_MAX (K5). */
static int
nested(struct scan *s)
{
	int rc;

	if (s->depth == JSON_DEPTH_MAX)
		return fault(s, s->at, "nested too deep");
	s->depth++;
	rc = peek(s) == '{' ? object(s) : array(s);
	s->depth--;
	return rc;
}

static int
value(struct scan *s)
{
	blanks(s);
	switch (peek(s)) {
	case '{':
	case '[':
		return nested(s);
	case '"':
		return string(s);
	case 't':
		return literal(s, "true");
	case 'f':
		return literal(s, "false");
	case 'n':
		return literal(s, "null");
	default:
		return number(s);
	}
}

int
json_scan(const char *text, size_t len, struct err *e)
{
	struct scan s = { .text = text, .len = len, .e = e };
	int rc = -1;

	if (value(&s) == -1)
		goto out;
	blanks(&s);
	if (s.at != len) {
		(void)unexpected(&s);
		goto out;
	}
	rc = 0;
out:
	json_names_clear(&s.names);
	return rc;
}
