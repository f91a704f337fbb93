#ifndef ENGINE_SPAWNER_H
#define ENGINE_SPAWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "engine/timer.h"
#include "util/err.h"
#include "util/proc.h"

/*
 * spawner: our end of the process that forks runners (spool/spawn.h). It is
 * started with an empty environment and one descriptor, and started again
 * when it dies; runners notice neither.
 */
struct spawner {
	int sock; /* -1: it does not run */
	struct proc proc;
	struct backoff again; /* when it died at once */
	char program[4096];
	const char *ca_file, *state_dir; /* borrowed */
};

/*
 * Nothing runs yet. Finds our own program: what is running, not what is new.
 * ca_file: runners speak TLS, to peers that are checked with these
 * certificates ("": the system's), so the spawner loads them for all; NULL:
 * they do not. state_dir tells people whose it is, and whose its runners are,
 * in a list of processes. Both must outlive the spawner.
 */
int spawner_init(struct spawner *s, const char *state_dir, const char *ca_file,
    struct err *e) MUST_CHECK;

/* Starts it if it does not run. ERR_RETRY: not now. */
int spawner_ready(struct spawner *s, int64_t now_ms, struct err *e) MUST_CHECK;

/* What a runner gets; all stay the caller's. */
struct spawn_order {
	const char *name; /* "TASK.ATTEMPT" */
	int spool_fd, lock_fd, secrets_fd;
};

/*
 * Has a runner started. After -1 it may run or not: its lock tells. A spawner
 * that does not answer is replaced.
 */
int spawner_spawn(struct spawner *s, const struct spawn_order *o, pid_t *pid,
    int *pidfd, struct err *e) MUST_CHECK;

/* It closed its end: takes its end and forgets it. */
void spawner_died(struct spawner *s, int64_t now_ms);

/* Lets it go: it leaves by itself when our end is closed. */
void spawner_close(struct spawner *s);

#endif
