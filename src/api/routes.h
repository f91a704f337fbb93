#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/call.h"

/* What is done before the endpoint is called. */
enum {
	/* A good access token. The endpoint's own statement proves the user. */
	NEED_TOKEN = 1 << 0,
	/* A good access token of a user who is there and enabled. */
	NEED_USER = 1 << 1,
	/* A JSON object, or a document that is empty (contract 1.2). */
	NEED_BODY = 1 << 2,
	/* Together with NEED_BODY: an empty one is "No data provided". */
	NEED_DATA = 1 << 3,
	/* Waits for GitHub: served by the slow pool alone, limited by user. */
	OUTBOUND = 1 << 4,
	/* Not there in production (D28). */
	TESTS_ONLY = 1 << 5,
	/* Makes a sandbox and an agent work: limited by user. */
	STARTS_WORK = 1 << 6
};

/* One row: a path is literal but for one segment, "<id>" (a number) or
 * "<name>" (whatever the endpoint takes it for). */
struct route {
	enum http_method method;
	const char *path;
	unsigned int flags;
	endpoint *run;
};

/* The table, as far as its end; for route_find() and its test. */
extern const struct route api_routes[];
extern const size_t api_route_count;

enum route_found {
	ROUTE_FOUND,
	ROUTE_OTHER_METHOD, /* the path is there, for other methods */
	ROUTE_ABSENT
};

/*
 * Finds the row for a request; HEAD is served by GET's. *id is the number in
 * the path; one beyond 64 bits becomes INT64_MAX, which no task ever reaches,
 * so that it is as absent as any other (contract 1.1). Rows with one of the
 * flags in hidden do not exist.
 */
enum route_found route_find(enum http_method method, const char *path,
    unsigned int hidden, const struct route **route, int64_t *id);

/* Methods of a path as an Allow header has them: "GET, HEAD, OPTIONS". */
#define ROUTE_ALLOW_MAX 64
void route_allow(const char *path, unsigned int hidden,
    char out[ROUTE_ALLOW_MAX]);

#endif
