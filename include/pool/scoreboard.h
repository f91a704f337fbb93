#ifndef POOL_SCOREBOARD_H
#define POOL_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * scoreboard: what each process of the pool is doing, in memory that master
 * and workers share (an anonymous mapping made before the fork). Each worker
 * writes its own slot only; anybody may read. Fields are single atomic words,
 * so a reader may see a slot in between two of them, never a torn value.
 *
 * During a reload two generations live side by side, so there are twice as
 * many slots as workers that may be asked for.
 */
#define POOL_WANTED_MAX 64
#define POOL_WORKERS_MAX (2 * POOL_WANTED_MAX)

/* WORKER_NONE: no process, or one that is not ready yet. */
enum worker_state {
	WORKER_NONE,
	WORKER_IDLE,
	WORKER_BUSY
};

struct worker_slot {
	_Atomic int state; /* enum worker_state */
	_Atomic int64_t pid;
	_Atomic int64_t since_ms; /* of this state, monotonic */
	_Atomic int64_t born_ms;
	_Atomic uint64_t requests; /* of this worker */
};

struct scoreboard {
	struct worker_slot slots[POOL_WORKERS_MAX];
	_Atomic uint64_t requests;           /* of all workers since start */
	_Atomic uint64_t errors;             /* answers of 500 and above */
	_Atomic uint64_t status_class[6];    /* [2] is 2xx, and so on */
	_Atomic uint64_t busy_us;            /* time spent in requests */
	_Atomic uint64_t deaths;             /* workers that died unasked */
	_Atomic uint64_t killed;             /* workers over REQUEST_LIMIT_S */
	_Atomic int64_t crash_loop_until_ms; /* held back until then; 0: no */
	_Atomic int64_t reaper_pid;
	_Atomic int64_t started_ms;
	_Atomic uint64_t reloads;
	_Atomic bool draining; /* the whole pool is leaving */

	/* That of the second pool, for whoever reads this one; set before any
	 * fork. NULL: there is none. */
	const struct scoreboard *outbound;
};

/* NULL with *e when memory is not to be had. For this process's lifetime. */
struct scoreboard *scoreboard_new(struct err *e);

/* A slot for a process that begins, or none any more when pid is 0. */
void scoreboard_set(struct scoreboard *b, size_t slot, pid_t pid);

/* State of a slot from now on. */
void scoreboard_state(struct scoreboard *b, size_t slot,
    enum worker_state state);

/* Counts a request answered with status, which took so long. */
void scoreboard_count(struct scoreboard *b, size_t slot, int status,
    int64_t took_us);

#endif
