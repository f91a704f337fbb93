#ifndef API_BODY_H
#define API_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "util/json.h"

/*
 * body: the rules for what stands in a request's body and query (contract
 * 1.2, D1). "Missing" is Python's truthiness there: absent, null, "", 0, false,
 * [] and {}. All texts of ERR_INVALID are for the client.
 */

/* True for application/json and application/...+json, with any parameters. */
bool body_type_is_json(const char *content_type);

/*
 * Reads a document. *body is NULL when it is an empty one, else an object,
 * to be freed with json_free().
 */
int body_read(struct json_object **body, const char *text, size_t len,
    struct err *e) MUST_CHECK;

/*
 * If *e is that a document is no JSON: the contract's fixed text for it, and in
 * *where the place, "line 1, column 8: ...". Else NULL.
 */
const char *body_malformed(const struct err *e, const char **where);

/* A string within a body, or "" (never NULL) with length 0 when missing. */
struct body_text {
	const char *s;
	size_t len;
};

/* ERR_INVALID "<name> must be a string" for anything else than missing. */
int body_string(struct json_object *body, const char *name,
    struct body_text *text, struct err *e) MUST_CHECK;

/* An integer; 0 when missing. */
int body_integer(struct json_object *body, const char *name, int64_t *n,
    struct err *e) MUST_CHECK;

/* Takes off what Python's str.strip() takes off, at both ends. */
void body_strip(struct body_text *text);

/* 1 to max visible ASCII characters and nothing else. */
bool body_visible(const char *s, size_t max);

/*
 * A whole number of a query, min to max; *n stays when the name is not there.
 * ERR_INVALID "<name> must be a whole number from <min> to <max>".
 */
struct query_bounds {
	int64_t min;
	int64_t max;
};

int query_whole(const char *query, const char *name,
    const struct query_bounds *bounds, int64_t *n, struct err *e) MUST_CHECK;

/*
 * What Python's int() reads of a query's value; 0 when it is none (contract
 * 3.3). Beyond 64 bits it saturates.
 */
int64_t query_lenient_int(const char *query, const char *name);

/* True if the name stands in the query, whatever its value. */
bool query_has(const char *query, const char *name);

#endif
