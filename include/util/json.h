#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * json: strict reading, typed access, and direct writing.
 *
 * Reading is two steps, hidden in json_read(): our own scan accepts exactly
 * RFC 8259 (K1 to K5), then json-c builds the tree. Access never converts
 * (K6). Writing goes straight into a buf, without a tree (K10).
 */

#define JSON_DEPTH_MAX 31 /* MariaDB's own limit (M14) */

/* json-c's. Its headers are not for our callers: they claim json_bool. */
struct json_object;

/*
 * Three of our names are jansson's as well, which libjwt calls. Were they
 * visible, libjwt would find ours first and call them with its own arguments.
 */
#pragma GCC visibility push(hidden)

/*
 * Checks that text is one JSON document: grammar, depth, valid UTF-8 without
 * NUL or \u0000, no lone surrogates, no duplicate member names, integers
 * within 64 bits. Allocates nothing that grows with the input but the table
 * of member names of open objects. ERR_INVALID names the place:
 * "line 3, column 7: unexpected '}'".
 */
int json_scan(const char *text, size_t len, struct err *e) MUST_CHECK;

/*
 * Scans and builds. *out is the caller's, to be freed with json_free(); NULL
 * for the document "null". ERR_INVALID as json_scan().
 */
int json_read(struct json_object **out, const char *text, size_t len,
    struct err *e) MUST_CHECK;

/* Takes NULL. */
void json_free(struct json_object *o);

/* What a member is. */
enum json_got {
	JSON_MISSING, /* not there, or null */
	JSON_FOUND,
	JSON_MISTYPED
};

/* Member name of object o. *s is borrowed from o, NUL-terminated. */
enum json_got json_get_string(struct json_object *o, const char *name,
    const char **s, size_t *len);

/* An integer (3 is one, 3.0 and "3" are not). */
enum json_got json_get_int(struct json_object *o, const char *name, int64_t *n);
enum json_got json_get_bool(struct json_object *o, const char *name, bool *b);
enum json_got json_get_object(struct json_object *o, const char *name,
    struct json_object **member);
enum json_got json_get_array(struct json_object *o, const char *name,
    struct json_object **member);

bool json_is_object(struct json_object *o);

/* True if object o has a member of this name, null or not. */
bool json_has(struct json_object *o, const char *name);

/* Member name of object o, whatever it is; NULL when null or not there. */
struct json_object *json_member(struct json_object *o, const char *name);

/* Name of member i of object o, in the text's order; NULL behind the last. */
const char *json_member_name(struct json_object *o, size_t i);

/* String number i of array a, borrowed; NULL if there is no such string. */
const char *json_array_string(struct json_object *a, size_t i);
size_t json_array_size(struct json_object *a);

/* Object number i of array a, borrowed; NULL if there is no such object. */
struct json_object *json_array_object(struct json_object *a, size_t i);

/*
 * What stands at a path of members' names and items' numbers with dots between
 * ("message.content.0"); NULL when null or nothing. "" is o itself. Borrowed.
 */
struct json_object *json_at(struct json_object *o, const char *path);

/* Item number i of array a, borrowed, whatever it is; NULL: null or none. */
struct json_object *json_array_item(struct json_object *a, size_t i);

bool json_is_array(struct json_object *o);
bool json_equal(struct json_object *a, struct json_object *b);

/* The value itself. False: it is of another type. A string is borrowed. */
bool json_as_string(struct json_object *o, const char **s, size_t *len);
bool json_as_number(struct json_object *o, double *n);
bool json_as_bool(struct json_object *o, bool *b);

/*
 * Python's idea of false, which the HTTP contract calls "missing" (1.2):
 * absent, null, "", 0, false, [] and {}.
 */
bool json_falsy(struct json_object *o);
bool json_member_falsy(struct json_object *o, const char *name);

/*
 * Writing. The calls must nest; commas and colons come by themselves. Strings
 * must be valid UTF-8 (use utf8_clean first for what came from outside);
 * '/' and U+2028 are not escaped.
 */
struct json_out {
	struct buf *to;
	bool comma; /* the next item needs one before it */
};

void json_start(struct json_out *j, struct buf *to);
void json_open(struct json_out *j);       /* {  */
void json_close(struct json_out *j);      /* }  */
void json_open_array(struct json_out *j); /* [  */
void json_close_array(struct json_out *j);
void json_name(struct json_out *j, const char *name);
void json_string(struct json_out *j, const char *s, size_t len);
void json_text(struct json_out *j, const char *s); /* NULL writes null */
void json_int(struct json_out *j, int64_t n);
void json_bool(struct json_out *j, bool b);
void json_null(struct json_out *j);

/* A value that is JSON already. */
void json_raw(struct json_out *j, const char *json, size_t len);

/* A value that was read; NULL writes null. */
void json_value(struct json_out *j, struct json_object *o);

/* "name":value in one call. */
void json_name_text(struct json_out *j, const char *name, const char *s);
void json_name_string(struct json_out *j, const char *name, const char *s,
    size_t len);
void json_name_int(struct json_out *j, const char *name, int64_t n);
void json_name_bool(struct json_out *j, const char *name, bool b);
void json_name_null(struct json_out *j, const char *name);

#pragma GCC visibility pop

#endif
