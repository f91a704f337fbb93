#ifndef ENGINE_LEFTOVER_H
#define ENGINE_LEFTOVER_H

#include <stddef.h>

#include "store/queue.h"

/*
 * leftover: processes that outlived their runner. A plain subprocess may have
 * escaped from a runner that was killed; it carries the workspace's name in
 * its environment. And bwrap, while it sets itself up, has moments in which it
 * does not notice that its parent dies (P3: a change of credentials clears
 * PDEATHSIG); it has the workspace's path on its command line. Both are looked
 * for here: best effort, since a hostile process can hide (P5).
 */
#define LEFTOVER_VARIABLE "TASKMILL_SANDBOX"

/*
 * Kills what belongs to this attempt's workspaces below SANDBOX_DIR; returns
 * how many were found. Another deployment's are safe: the path is not theirs,
 * and a name in an environment counts only while its workspace is here.
 */
size_t leftover_kill(const char *sandbox_dir, const struct hold *h);

#endif
