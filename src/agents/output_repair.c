/*
 * Programs cut what they show, between the two halves of a character too, and
 * show binary files; strict reading would lose the whole line for it.
 */
#include <string.h>

#include "agents/output_impl.h"
#include "util/utf8.h"

#define ESCAPE 6 /* bytes of \uXXXX */
#define REPLACEMENT "\\ufffd"

/* The unit of an escape at s; -1 when there is none. */
static long
unit(const char *s, const char *end)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	long value = 0;

	if (end - s < ESCAPE || s[0] != '\\' || s[1] != 'u')
		return -1;
	for (int i = 2; i < ESCAPE; i++) {
		const char *d = memchr(digits, s[i], sizeof(digits) - 1);

		if (d == NULL)
			return -1;
		value = value * 16 + (d - digits) % 16;
	}
	return value;
}

/* Length of the escape at s that may stay; 0: it has to be replaced. */
static size_t
fit(const char *s, const char *end)
{
	long first = unit(s, end), second;

	if (first == -1)
		return 2; /* another escape, or none: the reader judges it */
	if (first == 0 || (first >= 0xdc00 && first < 0xe000))
		return 0;
	if (first < 0xd800 || first >= 0xe000)
		return ESCAPE;
	second = unit(s + ESCAPE, end);
	return second >= 0xdc00 && second < 0xe000 ? (size_t)2 * ESCAPE : 0;
}

void
output_repair(struct buf *out, const char *line, size_t len)
{
	struct buf clean = BUF(3 * AGENT_LINE_MAX + 16);
	const char *s, *end, *back;

	utf8_clean(&clean, line, len);
	s = clean.data == NULL ? "" : clean.data;
	end = s + clean.len;
	while (s < end) {
		size_t n;

		back = memchr(s, '\\', (size_t)(end - s));
		if (back == NULL || end - back < 2)
			back = end;
		buf_add(out, s, (size_t)(back - s));
		s = back;
		if (s == end)
			break;
		n = fit(s, end);
		if (n == 0)
			buf_puts(out, REPLACEMENT);
		else
			buf_add(out, s, n);
		s += n == 0 ? ESCAPE : n;
	}
	out->failed = out->failed || !buf_ok(&clean);
	buf_clear(&clean);
}
