/* gate_json(): redacts what a JSON text says, not how it is written. */
#include <string.h>

#include "spool/gate.h"
#include "util/json.h"
#include "util/utf8.h"

/* Where the string that begins at at ends, behind its quote; 0: nowhere. */
static size_t
string_end(const char *json, size_t len, size_t at)
{
	for (size_t i = at + 1; i < len; i++) {
		if (json[i] == '\\')
			i++;
		else if (json[i] == '"')
			return i + 1;
	}
	return 0;
}

/* What comes next makes a member's name of a string. */
static bool
is_name(const char *json, size_t len, size_t end)
{
	while (end < len && strchr(" \t\r\n", json[end]) != NULL)
		end++;
	return end < len && json[end] == ':';
}

/* Four hex digits; 0 for what is none. */
static unsigned int
read_unit(const char *s, const char *end)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++, s++) {
		static const char digits[] = "0123456789abcdefABCDEF";
		const char *d =
		    s < end && *s != '\0' ? strchr(digits, *s) : NULL;
		unsigned int n = d == NULL ? 0 : (unsigned int)(d - digits);

		if (d == NULL)
			return 0;
		value = value * 16 + (n > 15 ? n - 6 : n);
	}
	return value;
}

/* In any length that it needs; utf8_clean() judges what comes of it. */
static void
put_code(struct buf *out, unsigned int c)
{
	if (c < 0x80) {
		buf_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_putc(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_putc(out, (char)(0xe0 | c >> 12));
		} else {
			buf_putc(out, (char)(0xf0 | c >> 18));
			buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* Takes "uXXXX" and the second half of a pair; returns what is behind. */
static const char *
read_unicode(struct buf *out, const char *s, const char *end)
{
	unsigned int c = read_unit(s + 1, end), low;

	s += 5;
	if (c >= 0xd800 && c < 0xdc00 && end - s >= 6 && s[0] == '\\' &&
	    s[1] == 'u' && (low = read_unit(s + 2, end)) >= 0xdc00 &&
	    low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		s += 6;
	}
	put_code(out, c);
	return s < end ? s : end;
}

/* The text of a string, between its quotes, without its escapes. */
static void
unescape(struct buf *out, const char *s, const char *end)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";

	while (s < end) {
		const char *back = memchr(s, '\\', (size_t)(end - s));
		const char *letter;

		if (back == NULL || end - back < 2) {
			buf_add(out, s, (size_t)(end - s));
			return;
		}
		buf_add(out, s, (size_t)(back - s));
		s = back + 1;
		if (*s == 'u') {
			s = read_unicode(out, s, end);
			continue;
		}
		letter = memchr(letters, *s, sizeof(letters) - 1);
		buf_putc(out, letter == NULL ? *s : meanings[letter - letters]);
		s++;
	}
}

static void
put_value(const struct redact *redact, struct buf *out, const char *s,
    size_t len)
{
	struct buf plain = BUF(len + 8), safe = BUF(4 * len + 64),
		   clean = BUF(12 * len + 256);
	struct json_out j;

	unescape(&plain, s, s + len);
	if (plain.len > 0)
		redact_text(redact, &safe, plain.data, plain.len);
	if (safe.len > 0)
		utf8_clean(&clean, safe.data, safe.len);
	json_start(&j, out);
	json_string(&j, clean.len == 0 ? "" : clean.data, clean.len);
	if (!buf_ok(&plain) || !buf_ok(&safe) || !buf_ok(&clean))
		out->failed = true;
	buf_wipe(&plain);
	buf_clear(&safe);
	buf_clear(&clean);
}

void
gate_json(const struct redact *redact, struct buf *out, const char *json,
    size_t len)
{
	size_t at = 0, end;

	while (at < len) {
		const char *quote = memchr(json + at, '"', len - at);
		size_t before =
		    (quote == NULL ? len : (size_t)(quote - json)) - at;

		buf_add(out, json + at, before);
		at += before;
		if (at == len)
			return;
		if ((end = string_end(json, len, at)) == 0) {
			out->failed = true;
			return;
		}
		if (is_name(json, len, end))
			buf_add(out, json + at, end - at);
		else
			put_value(redact, out, json + at + 1, end - at - 2);
		at = end;
	}
}
