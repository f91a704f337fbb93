#ifndef UTIL_JSON_NAMES_H
#define UTIL_JSON_NAMES_H

#include <stddef.h>

#include "util/err.h"

/*
 * json_names: the member names of the objects that a scan has open, and
 * whether one of them stands twice. "a" and "\u0061" are one name.
 *
 * Names are collected as they come and compared when their object closes, by
 * sorting: so n names cost n log n, whatever they are, and no chosen input
 * makes it quadratic as it could a hash table.
 */
struct json_name {
	const char *raw; /* behind the opening quote, escapes as written */
	size_t len;
};

struct json_names {
	struct json_name *list;
	size_t count, cap;
};

/* The name must have been scanned: its escapes and its UTF-8 are valid. */
int json_names_add(struct json_names *n, const char *raw, size_t len,
    struct err *e) MUST_CHECK;

/*
 * The first name, in the order of the text, that repeats an earlier one of
 * list[first..count); NULL if none does. Changes their order in the list.
 */
const char *json_names_again(struct json_names *n, size_t first);

void json_names_clear(struct json_names *n);

/* The value of the four hex digits at p, or -1. */
int json_hex4(const char *p);

#endif
