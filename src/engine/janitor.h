#ifndef ENGINE_JANITOR_H
#define ENGINE_JANITOR_H

#include <stdbool.h>

#include "engine/run.h"
#include "engine/timer.h"
#include "util/proc.h"

/*
 * janitor: removes workspaces that no run needs any more. A runner removes its
 * own; these are what killed runners left. Their names are TASK.ATTEMPT.RANDOM
 * and never used again, so a name that was an orphan once is one for ever.
 *
 * A workspace can be large, so a child removes it.
 */
#define JANITOR_EVERY_MS 60000
#define JANITOR_OLD_S 120 /* of a run we know nothing of */

struct janitor {
	const char *dir; /* SANDBOX_DIR; borrowed */
	struct timer timer;
	struct proc cleaner; /* pidfd -1: none */
};

void janitor_init(struct janitor *j, const char *dir);
void janitor_clear(struct janitor *j);

/* Look at once: a run has ended, r->cleaning. */
void janitor_wanted(struct janitor *j);

/* Looks when it is time to; takes the end of its child. */
void janitor_due(struct janitor *j, const struct runs *runs, int64_t now_ms);

/* True while its child is at work. */
bool janitor_busy(const struct janitor *j);

#endif
