#include "api/body.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "http/http.h"

#define MALFORMED "Invalid JSON"
#define NUMBER_TEXT 64 /* room for a number of a query, decoded */

bool
body_type_is_json(const char *content_type)
{
	static const char type[] = "application/";
	static const char suffix[] = "+json";
	size_t len = strcspn(content_type, ";");
	const char *sub;

	while (len > 0 &&
	    (content_type[len - 1] == ' ' || content_type[len - 1] == '\t'))
		len--;
	if (len < sizeof(type) ||
	    strncasecmp(content_type, type, sizeof(type) - 1) != 0)
		return false;
	sub = content_type + sizeof(type) - 1;
	len -= sizeof(type) - 1;
	if (len == 4 && strncasecmp(sub, "json", 4) == 0)
		return true;
	return len > sizeof(suffix) - 1 &&
	    strncasecmp(sub + len - (sizeof(suffix) - 1), suffix,
		sizeof(suffix) - 1) == 0;
}

int
body_read(struct json_object **body, const char *text, size_t len,
    struct err *e)
{
	struct json_object *read = NULL;
	int rc = -1;

	*body = NULL;
	if (json_read(&read, text, len, e) == -1) {
		if (e->kind == ERR_INVALID)
			err_wrap(e, MALFORMED);
		goto out;
	}
	if (!json_falsy(read)) {
		if (!json_is_object(read)) {
			err_set(e, ERR_INVALID,
			    "Request body must be a JSON object");
			goto out;
		}
		*body = read;
		read = NULL;
	}
	rc = 0;
out:
	json_free(read);
	return rc;
}

const char *
body_malformed(const struct err *e, const char **where)
{
	static const char head[] = MALFORMED ": ";

	if (e->kind != ERR_INVALID ||
	    strncmp(e->text, head, sizeof(head) - 1) != 0)
		return NULL;
	*where = e->text + sizeof(head) - 1;
	return MALFORMED;
}

int
body_string(struct json_object *body, const char *name, struct body_text *text,
    struct err *e)
{
	text->s = "";
	text->len = 0;
	if (json_member_falsy(body, name))
		return 0;
	if (json_get_string(body, name, &text->s, &text->len) != JSON_FOUND)
		return err_set(e, ERR_INVALID, "%s must be a string", name);
	return 0;
}

int
body_integer(struct json_object *body, const char *name, int64_t *n,
    struct err *e)
{
	*n = 0;
	if (json_member_falsy(body, name))
		return 0;
	if (json_get_int(body, name, n) != JSON_FOUND)
		return err_set(e, ERR_INVALID, "%s must be an integer", name);
	return 0;
}

/* The characters that str.isspace() is true for; UTF-8, none in another. */
static const char *const blanks[] = {
	" ",
	"\t",
	"\n",
	"\v",
	"\f",
	"\r",
	"\x1c",
	"\x1d",
	"\x1e",
	"\x1f",
	"\xc2\x85",
	"\xc2\xa0",
	"\xe1\x9a\x80",
	"\xe2\x80\x80",
	"\xe2\x80\x81",
	"\xe2\x80\x82",
	"\xe2\x80\x83",
	"\xe2\x80\x84",
	"\xe2\x80\x85",
	"\xe2\x80\x86",
	"\xe2\x80\x87",
	"\xe2\x80\x88",
	"\xe2\x80\x89",
	"\xe2\x80\x8a",
	"\xe2\x80\xa8",
	"\xe2\x80\xa9",
	"\xe2\x80\xaf",
	"\xe2\x81\x9f",
	"\xe3\x80\x80",
};

/* Length of the blank that text begins with (or ends in); 0: none. */
static size_t
blank_at(const struct body_text *text, bool at_end)
{
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
		size_t n = strlen(blanks[i]);

		if (n > text->len)
			continue;
		if (memcmp(text->s + (at_end ? text->len - n : 0), blanks[i],
			n) == 0)
			return n;
	}
	return 0;
}

void
body_strip(struct body_text *text)
{
	size_t n;

	while ((n = blank_at(text, false)) > 0) {
		text->s += n;
		text->len -= n;
	}
	while ((n = blank_at(text, true)) > 0)
		text->len -= n;
}

bool
body_visible(const char *s, size_t max)
{
	size_t n;

	for (n = 0; s[n] != '\0'; n++)
		if (s[n] <= ' ' || s[n] > '~' || n == max)
			return false;
	return n > 0;
}

bool
query_has(const char *query, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = query; *p != '\0';) {
		size_t n = strcspn(p, "&");

		if (n >= len && memcmp(p, name, len) == 0 &&
		    (n == len || p[len] == '='))
			return true;
		p += n;
		p += *p == '&';
	}
	return false;
}

/* Reads digits only, saturating. Returns false for anything else. */
static bool
read_digits(const char *s, int64_t *n)
{
	int64_t read = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		int digit = *s - '0';

		if (digit < 0 || digit > 9)
			return false;
		if (read > (INT64_MAX - digit) / 10)
			read = INT64_MAX;
		else
			read = read * 10 + digit;
	}
	*n = read;
	return true;
}

int
query_whole(const char *query, const char *name,
    const struct query_bounds *bounds, int64_t *n, struct err *e)
{
	char text[NUMBER_TEXT];
	int64_t read;

	if (!query_has(query, name))
		return 0;
	if (!http_query_get(query, name, text, sizeof(text)) ||
	    !read_digits(text, &read) || read < bounds->min ||
	    read > bounds->max)
		return err_set(e, ERR_INVALID,
		    "%s must be a whole number from %" PRId64 " to %" PRId64,
		    name, bounds->min, bounds->max);
	*n = read;
	return 0;
}

int64_t
query_lenient_int(const char *query, const char *name)
{
	char text[NUMBER_TEXT];
	struct body_text trimmed = { text, 0 };
	bool negative;
	int64_t n;

	if (!http_query_get(query, name, text, sizeof(text)))
		return 0;
	trimmed.len = strlen(text);
	body_strip(&trimmed);
	text[(size_t)(trimmed.s - text) + trimmed.len] = '\0';
	negative = *trimmed.s == '-';
	if (negative || *trimmed.s == '+')
		trimmed.s++;
	if (!read_digits(trimmed.s, &n))
		return 0;
	return negative ? -n : n;
}
