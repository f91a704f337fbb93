#include "util/utf8.h"

enum shape {
	WHOLE, /* a valid sequence */
	CUT,   /* the text ends inside what could become one */
	BAD    /* no continuation makes it valid */
};

/*
 * What stands at p, of which left (at least 1) bytes are there. *n is the
 * number of bytes of the sequence, or of its valid beginning, at least 1.
 */
static enum shape
look(const unsigned char *p, size_t left, size_t *n)
{
	unsigned char low = 0x80, high = 0xbf; /* bounds of the second byte */
	size_t want;

	*n = 1;
	if (p[0] < 0x80)
		return WHOLE;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return BAD;
	want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0; /* else overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* else a surrogate */
	else if (p[0] == 0xf0)
		low = 0x90; /* else overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* else above U+10FFFF */
	for (; *n < want; ++*n) {
		if (*n == left)
			return CUT;
		if (p[*n] < low || p[*n] > high)
			return BAD;
		low = 0x80;
		high = 0xbf;
	}
	return WHOLE;
}

bool
utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	for (size_t at = 0; at < len; at += n)
		if (look(p + at, len - at, &n) != WHOLE)
			return false;
	return true;
}

/* Every byte but a continuation begins a code point. */
static bool
begins(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t
utf8_length(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		if (begins(text[i]))
			count++;
	return count;
}

size_t
utf8_prefix(const char *text, size_t len, size_t n)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (begins(text[i]) && n-- == 0)
			break;
	return i;
}

void
utf8_clean(struct buf *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0, good = 0, n;

	/* text[good..at) is valid and not yet appended. */
	while (at < len) {
		if (look(p + at, len - at, &n) == WHOLE && p[at] != 0) {
			at += n;
			continue;
		}
		buf_add(out, text + good, at - good);
		buf_puts(out, "\xef\xbf\xbd");
		at += n;
		good = at;
	}
	buf_add(out, text + good, at - good);
}

size_t
utf8_whole(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t back, n;

	/* A sequence that can be cut has at most three bytes here. */
	for (back = 1; back <= 3 && back <= len; back++)
		if (begins(text[len - back])) {
			if (look(p + len - back, back, &n) == CUT)
				return len - back;
			break;
		}
	return len;
}
