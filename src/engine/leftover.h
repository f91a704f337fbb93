#ifndef ENGINE_LEFTOVER_H
#define ENGINE_LEFTOVER_H

#include <stddef.h>

/*
 * leftover: processes that outlived their runner. Under bubblewrap there are
 * none; a plain subprocess may have escaped from a runner that was killed.
 * Everything that a plain sandbox starts carries the workspace's name,
 * TASK.ATTEMPT.RANDOM, in its environment, and that is looked for here: best
 * effort, since a hostile process can hide (P5).
 */
#define LEFTOVER_VARIABLE "TASKMILL_SANDBOX"

/* Kills what a sandbox of attempt "TASK.ATTEMPT" started; returns how many were
 * found. */
size_t leftover_kill(const char *name);

#endif
