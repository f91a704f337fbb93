#ifndef ENGINE_WORKSPACE_H
#define ENGINE_WORKSPACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/queue.h"

/*
 * workspace: what a local sandbox works in, SANDBOX_DIR/TASK.ATTEMPT.RANDOM.
 * Made and usually removed by the runner. The random part is never used again,
 * on no deployment.
 */
struct workspace {
	char name[NAME_MAX + 1];
};

/* The attempt that an entry of SANDBOX_DIR belongs to; false: to none. */
bool workspace_owner(const char *entry, struct hold *h);

/* An attempt's workspaces (one, as a rule): at most max; their number. */
size_t workspace_find(const char *dir, const struct hold *h,
    struct workspace *found, size_t max);

#endif
