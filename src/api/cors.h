#ifndef API_CORS_H
#define API_CORS_H

#include "api/call.h"

/*
 * cors: pages of other origins, D6. Says in the answer's headers what a page
 * of a listed origin may do; nothing at all for the others. True when that is
 * the whole answer, since it was asked before the real request.
 */
bool cors_answer(struct call *c);

#endif
