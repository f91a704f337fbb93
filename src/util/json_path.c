/* json: places in a document that was read, and what stands there. */
/* json-c has a type of the name of one of our functions; nobody needs it. */
#define json_bool json_c_bool
#include <json-c/json_object.h>
#undef json_bool
#include <stdlib.h>
#include <string.h>

#include "util/json.h"

#define NAME_MAX_BYTES 128

/* One step: a member's name, or the number of an item. */
static struct json_object *
step(struct json_object *o, const char *name)
{
	char *end;
	unsigned long i;

	if (json_is_object(o))
		return json_member(o, name);
	if (name[0] < '0' || name[0] > '9')
		return NULL;
	i = strtoul(name, &end, 10);
	return *end == '\0' ? json_array_item(o, i) : NULL;
}

struct json_object *
json_at(struct json_object *o, const char *path)
{
	char name[NAME_MAX_BYTES];

	while (o != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		o = step(o, name);
		path += n + (path[n] == '.');
	}
	return o;
}

struct json_object *
json_array_item(struct json_object *a, size_t i)
{
	return i < json_array_size(a) ? json_object_array_get_idx(a, i) : NULL;
}

bool
json_is_array(struct json_object *o)
{
	return json_object_is_type(o, json_type_array);
}

bool
json_equal(struct json_object *a, struct json_object *b)
{
	return json_object_equal(a, b) != 0;
}

bool
json_as_string(struct json_object *o, const char **s, size_t *len)
{
	if (!json_object_is_type(o, json_type_string))
		return false;
	*s = json_object_get_string(o);
	*len = (size_t)json_object_get_string_len(o);
	return true;
}

bool
json_as_number(struct json_object *o, double *n)
{
	if (!json_object_is_type(o, json_type_int) &&
	    !json_object_is_type(o, json_type_double))
		return false;
	*n = json_object_get_double(o);
	return true;
}

bool
json_as_bool(struct json_object *o, bool *b)
{
	if (!json_object_is_type(o, json_type_boolean))
		return false;
	*b = json_object_get_boolean(o);
	return true;
}
