#ifndef POOL_CREW_H
#define POOL_CREW_H

#include <signal.h>
#include <stdbool.h>

#include "pool/master.h"
#include "pool/supervisor.h"
#include "util/proc.h"

/*
 * crew: the master's children by kind: how each comes to life, is asked how it
 * is, and is told what to do. The master's loop drives them. Private to pool/.
 */

/* A set of equal children, and their processes by the supervisor's rows. */
struct crew {
	struct master *m;
	const struct master_pool *pool; /* NULL: no workers */
	struct supervisor table;
	struct proc procs[SUPERVISOR_ROWS];
};

enum {
	CREW_WORKERS,
	CREW_OUTBOUND,
	CREW_REAPER,
	CREW_FETCHER,
	CREW_N
};

struct master {
	const struct master_options *o;
	struct master_settings settings;
	struct crew crews[CREW_N];
	int lifeline[2]; /* nobody writes; that it closes is the message */
	sigset_t idle_mask;
	bool announced; /* readiness, to systemd */
	bool draining;
};

/* Gives every crew its name, its functions and its limits. */
void crews_set_up(struct master *m);

/* What the settings in force want of a crew. */
struct supervisor_limits crew_limits(const struct master *m, size_t crew);

/* Sends a signal to every child of a crew. */
void crew_signal(const struct crew *c, int sig);

#endif
