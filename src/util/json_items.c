#include "util/json_items.h"

#include <string.h>

static int
bad(const struct json_items *it, const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "line %zu: %s", it->line, what);
}

static void
skip_blanks(struct json_items *it)
{
	while (it->at < it->end && strchr(" \t\r\n", *it->at) != NULL &&
	    *it->at != '\0') {
		it->line += *it->at == '\n';
		it->at++;
	}
}

static bool
take(struct json_items *it, char c)
{
	skip_blanks(it);
	if (it->at == it->end || *it->at != c)
		return false;
	it->at++;
	return true;
}

int
json_items_open(struct json_items *it, const char *text, size_t len,
    size_t first_line, struct err *e)
{
	static const char mark[] = "\xef\xbb\xbf";

	memset(it, 0, sizeof(*it));
	it->at = text;
	it->end = text + len;
	it->line = first_line;
	if (len >= 3 && memcmp(text, mark, 3) == 0)
		it->at += 3;
	it->object = take(it, '{');
	if (!it->object && !take(it, '['))
		return bad(it, "an array or an object was expected", e);
	return 0;
}

/* Behind an opening quote; up to and with the closing one. */
static bool
skip_string(struct json_items *it)
{
	while (it->at < it->end && *it->at != '"') {
		it->line += *it->at == '\n';
		it->at += *it->at == '\\' && it->at + 1 < it->end ? 2 : 1;
	}
	if (it->at == it->end)
		return false;
	it->at++;
	return true;
}

/* Over one value, by its brackets and strings alone. */
static bool
skip_value(struct json_items *it)
{
	size_t depth = 0;

	for (; it->at < it->end; it->at++) {
		switch (*it->at) {
		case '"':
			it->at++;
			if (!skip_string(it))
				return false;
			it->at--;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return true;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return true;
			break;
		case '\n':
			it->line++;
			break;
		default:
			break;
		}
	}
	return false;
}

static int
read_key(struct json_items *it, struct json_item *item, struct err *e)
{
	if (!take(it, '"'))
		return bad(it, "a name was expected", e);
	item->key = it->at;
	if (!skip_string(it))
		return bad(it, "the name is never closed", e);
	item->key_len = (size_t)(it->at - 1 - item->key);
	return take(it, ':') ? 0 : bad(it, "a colon was expected", e);
}

static int
read_item(struct json_items *it, struct json_item *item, struct err *e)
{
	if (it->object && read_key(it, item, e) == -1)
		return -1;
	skip_blanks(it);
	item->text = it->at;
	item->line = it->line;
	if (!skip_value(it))
		return bad(it, "the text ends inside an item", e);
	item->len = (size_t)(it->at - item->text);
	while (item->len > 0 &&
	    strchr(" \t\r\n", item->text[item->len - 1]) != NULL)
		item->len--;
	return item->len > 0 ? 1 : bad(it, "an item was expected", e);
}

int
json_items_next(struct json_items *it, struct json_item *item, struct err *e)
{
	memset(item, 0, sizeof(*item));
	if (take(it, it->object ? '}' : ']')) {
		skip_blanks(it);
		return it->at == it->end ? 0
					 : bad(it, "text behind the end", e);
	}
	if (it->begun && !take(it, ','))
		return bad(it, "a comma was expected", e);
	it->begun = true;
	return read_item(it, item, e);
}
