#ifndef CMD_TASK_FOLLOW_H
#define CMD_TASK_FOLLOW_H

#include "cmd/client.h"

/*
 * Prints a task's events, a line each; with follow it waits for more until
 * the task has ended. Returns 0, or with follow 1 when it ended otherwise than
 * completed; -1 with *e. raw: as in cmd/task_event.h. A server that is away for
 * a minute is waited for.
 */
int task_follow(struct client *c, int64_t id, bool follow, bool raw,
    struct err *e) MUST_CHECK;

#endif
