#ifndef ENGINE_FINISH_DEFER_H
#define ENGINE_FINISH_DEFER_H

#include "engine/impl.h"
#include "engine/outcome.h"

enum deferred {
	DEFER_DONE,  /* it is in the queue again, or was not ours any more */
	DEFER_FAILS, /* it has waited long enough: its result is a failure */
	DEFER_LATER  /* not now, which was dealt with */
};

/*
 * Puts the task of a run that was refused a sandbox back into the queue, with
 * the reason for its user to see. It costs the task no try.
 */
enum deferred finish_defer(struct engine *g, struct run *r,
    const struct outcome *o);

#endif
