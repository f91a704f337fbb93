#ifndef API_REST_QUERY_H
#define API_REST_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/encode.h"
#include "util/err.h"

/*
 * rest_query: the two questions that the front end asks its Supabase address
 * about tasks (contract 8.3), and nothing else of PostgREST's language:
 *
 *	select=*,project:projects(id,name,repo_name,repo_owner)
 *	    &user_id=eq.<uuid>&order=created_at.desc
 *	select=... &id=eq.<n>
 */
struct rest_query {
	int64_t id;              /* 0: by user */
	char user_id[UUID_TEXT]; /* "" when by id */
	const char *code;        /* of the refusal, as PostgREST has them */
};

/* ERR_INVALID with a text for the client, and q->code. */
int rest_query_read(struct rest_query *q, const char *query,
    struct err *e) MUST_CHECK;

#endif
