#ifndef API_ANSWER_H
#define API_ANSWER_H

#include "api/call.h"

/*
 * answer: the one place where a request ends: an error becomes an answer by
 * its kind, and each request one line in the log.
 */

/* Answers with *e, and logs what the client must not see (D3). */
void answer_error(struct call *c, const struct err *e);

/*
 * An error in PostgREST's form: {"code","details","hint","message"}; details
 * may be NULL.
 */
void answer_rest_error(struct call *c, int status, const char *code,
    const char *details, const char *message);

/* An error as Supabase's sign-in writes it; returns 0, like call_refuse(). */
int answer_auth_error(struct call *c, int status, const char *code,
    const char *message);

/* The headers of every answer. Called once, before anything else. */
void answer_begin(struct call *c);

/* Checks that the answer is whole, and logs the request. */
void answer_end(struct call *c, int64_t began_us);

#endif
