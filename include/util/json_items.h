#ifndef UTIL_JSON_ITEMS_H
#define UTIL_JSON_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

/*
 * json_items: walks over the items of a large array or object without building
 * it: each item comes as its own piece of text, to be read with json_read().
 * Only what separates the items is checked here.
 */
struct json_items {
	const char *at, *end; /* borrowed */
	size_t line;          /* where at is */
	bool object;
	bool begun;
};

struct json_item {
	const char
	    *key; /* inside its quotes, not unescaped; NULL in an array */
	size_t key_len;
	const char *text;
	size_t len;
	size_t line; /* it begins at */
};

/*
 * first_line: of text's first byte, 1 for a whole file. ERR_INVALID if it is
 * neither array nor object.
 */
int json_items_open(struct json_items *it, const char *text, size_t len,
    size_t first_line, struct err *e) MUST_CHECK;

/* 1 with *item, 0 behind the last, -1 ERR_INVALID. */
int json_items_next(struct json_items *it, struct json_item *item,
    struct err *e) MUST_CHECK;

#endif
