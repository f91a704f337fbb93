/* The writing half of util/json.h; see there. */
#include <inttypes.h>
#include <string.h>

#include "util/json.h"

void
json_start(struct json_out *j, struct buf *to)
{
	j->to = to;
	j->comma = false;
}

/* Before each value or name: the comma that may be due. */
static void
item(struct json_out *j)
{
	if (j->comma)
		buf_putc(j->to, ',');
	j->comma = true;
}

static void
begin(struct json_out *j, char bracket)
{
	item(j);
	buf_putc(j->to, bracket);
	j->comma = false;
}

static void
end(struct json_out *j, char bracket)
{
	buf_putc(j->to, bracket);
	j->comma = true;
}

void
json_open(struct json_out *j)
{
	begin(j, '{');
}

void
json_close(struct json_out *j)
{
	end(j, '}');
}

void
json_open_array(struct json_out *j)
{
	begin(j, '[');
}

void
json_close_array(struct json_out *j)
{
	end(j, ']');
}

void
json_name(struct json_out *j, const char *name)
{
	json_text(j, name);
	buf_putc(j->to, ':');
	j->comma = false;
}

static bool
needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

static void
escape(struct buf *to, unsigned char c)
{
	switch (c) {
	case '"':
		buf_puts(to, "\\\"");
		return;
	case '\\':
		buf_puts(to, "\\\\");
		return;
	case '\n':
		buf_puts(to, "\\n");
		return;
	case '\r':
		buf_puts(to, "\\r");
		return;
	case '\t':
		buf_puts(to, "\\t");
		return;
	default:
		buf_addf(to, "\\u%04x", c);
	}
}

void
json_string(struct json_out *j, const char *s, size_t len)
{
	size_t plain = 0;

	item(j);
	buf_putc(j->to, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		/* Most bytes pass in long runs: copy a run at once. */
		if (!needs_escape(c))
			continue;
		buf_add(j->to, s + plain, i - plain);
		escape(j->to, c);
		plain = i + 1;
	}
	buf_add(j->to, s + plain, len - plain);
	buf_putc(j->to, '"');
}

void
json_text(struct json_out *j, const char *s)
{
	if (s == NULL)
		json_null(j);
	else
		json_string(j, s, strlen(s));
}

void
json_int(struct json_out *j, int64_t n)
{
	item(j);
	buf_addf(j->to, "%" PRId64, n);
}

void
json_bool(struct json_out *j, bool b)
{
	item(j);
	buf_puts(j->to, b ? "true" : "false");
}

void
json_null(struct json_out *j)
{
	item(j);
	buf_puts(j->to, "null");
}

void
json_raw(struct json_out *j, const char *json, size_t len)
{
	item(j);
	buf_add(j->to, json, len);
}

void
json_name_text(struct json_out *j, const char *name, const char *s)
{
	json_name(j, name);
	json_text(j, s);
}

void
json_name_string(struct json_out *j, const char *name, const char *s,
    size_t len)
{
	json_name(j, name);
	json_string(j, s, len);
}

void
json_name_int(struct json_out *j, const char *name, int64_t n)
{
	json_name(j, name);
	json_int(j, n);
}

void
json_name_bool(struct json_out *j, const char *name, bool b)
{
	json_name(j, name);
	json_bool(j, b);
}

void
json_name_null(struct json_out *j, const char *name)
{
	json_name(j, name);
	json_null(j);
}
