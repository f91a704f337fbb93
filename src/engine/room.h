#ifndef ENGINE_ROOM_H
#define ENGINE_ROOM_H

#include "engine/timer.h"

/*
 * room: whether this machine can begin anything (fault 54). Claiming what
 * cannot be written down would only wear out tasks and grow the database.
 *
 * After a start that failed nothing is claimed for a while, longer each time
 * up to a minute, and then only once the spool can be written again.
 */
struct room {
	struct backoff hold;
	bool failing;        /* the last start failed; no probe worked since */
	const char *trouble; /* why nothing is claimed, or NULL */
};

struct engine;
struct hold;

void room_init(struct room *r);

/* True when something may be claimed; otherwise g->room.trouble says why. */
bool room_now(struct engine *g, int64_t now_ms);

void room_start_worked(struct engine *g);

/* A start failed for a reason that the next one would meet as well. */
void room_start_failed(struct engine *g);

#endif
