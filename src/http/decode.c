#include "http/decode.h"

#include <string.h>

#include "util/utf8.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One byte from raw[*i], which is moved behind it; -1: a broken escape. */
static int
next_byte(const char *raw, size_t len, size_t *i, enum decode_kind kind)
{
	char c = raw[(*i)++];
	int high, low;

	if (c == '+' && kind == DECODE_QUERY)
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (len - *i < 2)
		return -1;
	high = hex_digit(raw[*i]);
	low = hex_digit(raw[*i + 1]);
	if (high < 0 || low < 0)
		return -1;
	*i += 2;
	return high * 16 + low;
}

bool
http_decode(const char *raw, size_t len, enum decode_kind kind, char *out,
    size_t size)
{
	size_t n = 0;
	bool good = size > 0;

	for (size_t i = 0; good && i < len;) {
		int c = next_byte(raw, len, &i, kind);

		good = c >= 0x20 && c != 0x7f && n + 1 < size;
		if (good)
			out[n++] = (char)c;
	}
	if (!good || !utf8_valid(out, n))
		n = 0;
	if (size > 0)
		out[n] = '\0';
	return good && (n > 0 || len == 0);
}

bool
http_path_plain(const char *path)
{
	if (path[0] != '/' || !utf8_valid(path, strlen(path)))
		return false;
	for (const char *p = path; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
		size_t n = strcspn(++p, "/");

		if ((n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
	}
	return true;
}
