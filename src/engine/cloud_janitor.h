#ifndef ENGINE_CLOUD_JANITOR_H
#define ENGINE_CLOUD_JANITOR_H

#include <stdint.h>

#include "config/config.h"
#include "engine/timer.h"
#include "util/err.h"
#include "util/proc.h"

/*
 * cloud_janitor: the process "taskmill janitor", which ends cloud sandboxes
 * that no live attempt owns. Our end of a pair of sockets is all there is
 * between us: a message on it asks for a look, its end tells it to leave.
 *
 * It is kept running in the mode "e2b", and is not there in others.
 */
struct cloud_janitor {
	int sock; /* -1: it does not run */
	struct proc proc;
	struct backoff again;
};

void cloud_janitor_init(struct cloud_janitor *j);

/*
 * Starts it where it should run and does not. program: ourselves; machine: who
 * we are. Both are borrowed for the call. Failures are logged.
 */
void cloud_janitor_due(struct cloud_janitor *j, const struct config *c,
    const char *program, const char *machine, int64_t now_ms);

/* An attempt has ended that cannot have ended its sandbox. */
void cloud_janitor_poke(const struct cloud_janitor *j);

/* Its socket has said so. */
void cloud_janitor_died(struct cloud_janitor *j, int64_t now_ms);

/* Tells it to leave, and makes sure that it does. */
void cloud_janitor_close(struct cloud_janitor *j);

#endif
