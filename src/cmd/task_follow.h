#ifndef CMD_TASK_FOLLOW_H
#define CMD_TASK_FOLLOW_H

#include "cmd/client.h"

struct task_follow {
	bool wait; /* until the task has ended */
	bool raw;  /* as in cmd/task_event.h */
	bool json; /* a line is an event as the server gave it, and no more */
};

/*
 * Prints a task's events, a line each. Returns 0, or with wait 1 when it ended
 * otherwise than completed; -1 with *e. A server that is away for a minute is
 * waited for.
 */
int task_follow(struct client *c, int64_t id, const struct task_follow *how,
    struct err *e) MUST_CHECK;

#endif
