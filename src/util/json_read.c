/* The reading half of util/json.h; see there. */
/* json-c has a type of the name of one of our functions; nobody needs it. */
#define json_bool json_c_bool
#include <json-c/json_object.h>
#include <json-c/json_object_iterator.h>
#include <json-c/json_tokener.h>
#undef json_bool
#include <limits.h>
#include <string.h>

#include "util/json.h"

/* Lets json-c build what has been scanned. Lengths are int there (K10). */
static int
build(struct json_object **out, struct json_tokener *tok, const char *text,
    size_t len, struct err *e)
{
	struct json_object *o;
	enum json_tokener_error why;

	o = json_tokener_parse_ex(tok, text, (int)len);
	why = json_tokener_get_error(tok);
	/* Only a byte behind it ends a number at the top; NUL will do (K4). */
	if (why == json_tokener_continue) {
		o = json_tokener_parse_ex(tok, "", 1);
		why = json_tokener_get_error(tok);
	} else if (json_tokener_get_parse_end(tok) != len) {
		json_object_put(o);
		return err_set(e, ERR_BROKEN, "json-c stopped early");
	}
	if (why != json_tokener_success) {
		json_object_put(o);
		return err_set(e, ERR_BROKEN,
		    "json-c refuses what was "
		    "scanned: %s",
		    json_tokener_error_desc(why));
	}
	*out = o;
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int
json_read(struct json_object **out, const char *text, size_t len, struct err *e)
{
	struct json_tokener *tok;
	int rc;

	if (len > INT_MAX - 1)
		return err_set(e, ERR_INVALID, "a document of %zu bytes", len);
	if (json_scan(text, len, e) == -1)
		return -1;
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	/* json-c counts a scalar as a level of its own (K5). */
	if ((tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1)) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	rc = build(out, tok, text, len, e);
	json_tokener_free(tok);
	return rc;
}

void
json_free(struct json_object *o)
{
	(void)json_object_put(o);
}

/* Member name of o if it is there, is not null, and is of type. */
static enum json_got
get(struct json_object *o, const char *name, enum json_type type,
    struct json_object **member)
{
	if (!json_is_object(o))
		return JSON_MISTYPED;
	if (!json_object_object_get_ex(o, name, member) || *member == NULL)
		return JSON_MISSING;
	return json_object_is_type(*member, type) ? JSON_FOUND : JSON_MISTYPED;
}

enum json_got
json_get_string(struct json_object *o, const char *name, const char **s,
    size_t *len)
{
	struct json_object *member;
	enum json_got got = get(o, name, json_type_string, &member);

	if (got == JSON_FOUND) {
		*s = json_object_get_string(member);
		*len = (size_t)json_object_get_string_len(member);
	}
	return got;
}

enum json_got
json_get_int(struct json_object *o, const char *name, int64_t *n)
{
	struct json_object *member;
	enum json_got got = get(o, name, json_type_int, &member);

	if (got == JSON_FOUND)
		*n = json_object_get_int64(member);
	return got;
}

enum json_got
json_get_bool(struct json_object *o, const char *name, bool *b)
{
	struct json_object *member;
	enum json_got got = get(o, name, json_type_boolean, &member);

	if (got == JSON_FOUND)
		*b = json_object_get_boolean(member);
	return got;
}

enum json_got
json_get_object(struct json_object *o, const char *name,
    struct json_object **member)
{
	struct json_object *found;
	enum json_got got = get(o, name, json_type_object, &found);

	if (got == JSON_FOUND)
		*member = found;
	return got;
}

enum json_got
json_get_array(struct json_object *o, const char *name,
    struct json_object **member)
{
	struct json_object *found;
	enum json_got got = get(o, name, json_type_array, &found);

	if (got == JSON_FOUND)
		*member = found;
	return got;
}

bool
json_is_object(struct json_object *o)
{
	return json_object_is_type(o, json_type_object);
}

bool
json_has(struct json_object *o, const char *name)
{
	return json_is_object(o) && json_object_object_get_ex(o, name, NULL);
}

struct json_object *
json_member(struct json_object *o, const char *name)
{
	struct json_object *member = NULL;

	if (json_is_object(o))
		(void)json_object_object_get_ex(o, name, &member);
	return member;
}

void
json_value(struct json_out *j, struct json_object *o)
{
	size_t len = 0;
	const char *text = json_object_to_json_string_length(o,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	if (o == NULL)
		json_null(j);
	else if (text == NULL)
		j->to->failed = true; /* memory ran out */
	else
		json_raw(j, text, len);
}

size_t
json_array_size(struct json_object *a)
{
	if (!json_object_is_type(a, json_type_array))
		return 0;
	return json_object_array_length(a);
}

const char *
json_array_string(struct json_object *a, size_t i)
{
	struct json_object *item;

	if (i >= json_array_size(a))
		return NULL;
	item = json_object_array_get_idx(a, i);
	if (!json_object_is_type(item, json_type_string))
		return NULL;
	return json_object_get_string(item);
}

struct json_object *
json_array_object(struct json_object *a, size_t i)
{
	struct json_object *item;

	if (i >= json_array_size(a))
		return NULL;
	item = json_object_array_get_idx(a, i);
	return json_is_object(item) ? item : NULL;
}

bool
json_falsy(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null:
		return true;
	case json_type_boolean:
		return !json_object_get_boolean(o);
	case json_type_int:
		return json_object_get_int64(o) == 0;
	case json_type_double:
		return !(json_object_get_double(o) < 0 ||
		    json_object_get_double(o) > 0);
	case json_type_string:
		return json_object_get_string_len(o) == 0;
	case json_type_array:
		return json_object_array_length(o) == 0;
	case json_type_object:
		return json_object_object_length(o) == 0;
	}
	return false;
}

bool
json_member_falsy(struct json_object *o, const char *name)
{
	struct json_object *member = NULL;

	if (!json_is_object(o) || !json_object_object_get_ex(o, name, &member))
		return true;
	return json_falsy(member);
}

const char *
json_member_name(struct json_object *o, size_t i)
{
	struct json_object_iterator it, end;

	if (!json_is_object(o))
		return NULL;
	it = json_object_iter_begin(o);
	end = json_object_iter_end(o);
	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		if (i-- == 0)
			return json_object_iter_peek_name(&it);
	}
	return NULL;
}
