#ifndef POOL_SUPERVISOR_H
#define POOL_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/scoreboard.h"
#include "util/err.h"

/*
 * supervisor: keeps a set of child processes at a wanted number: starts them,
 * replaces those that die (at once; with growing pauses when they die within a
 * second of their birth again and again), kills those that exceed a limit,
 * replaces a generation by a new one without a gap, and ends them all (ask,
 * wait, kill).
 *
 * A pure table of rows driven by the caller's loop; it knows neither FastCGI
 * nor the database, starts nothing itself, and has no clock: every call is
 * told the time (monotonic, ms).
 *
 *	supervisor_init -> (supervisor_tick -> wait -> supervisor_ended*)*
 *	                -> supervisor_drain -> ... until supervisor_alive() == 0
 */
#define SUPERVISOR_ROWS POOL_WORKERS_MAX

/* A child that dies sooner than this after its birth is held back. */
#define SUPERVISOR_QUICK_MS 1000

struct supervisor_ops {
	/* Starts the child of a row. */
	int (*start)(void *ctx, size_t row, struct err *e);

	/* Sends SIGTERM or SIGKILL to it. */
	void (*signal)(void *ctx, size_t row, int sig);

	/* Is it ready to serve? NULL: from its start. */
	bool (*ready)(void *ctx, size_t row);

	/* Since when it is busy with one request; 0: it is not. May be NULL. */
	int64_t (*busy_since_ms)(void *ctx, size_t row);

	void *ctx;
};

struct supervisor_limits {
	size_t wanted;    /* children; at most POOL_WANTED_MAX */
	int64_t busy_ms;  /* longest request, or start; 0: no limit */
	int64_t leave_ms; /* from SIGTERM to SIGKILL */
	bool stop_first;  /* on reload: end the old before starting the new */
};

enum supervisor_row_state {
	ROW_FREE,
	ROW_CURRENT,
	ROW_OLD,    /* to be asked to leave when the new ones are ready */
	ROW_LEAVING /* was asked, or killed */
};

struct supervisor_row {
	enum supervisor_row_state state;
	int64_t born_ms;
	int64_t asked_ms;
	bool killed;
	size_t place; /* of a current row */
};

/* One of the wanted children, whichever process it is just now. */
struct supervisor_place {
	bool filled;
	unsigned int quick_deaths; /* in a row */
	int64_t start_at_ms;
};

struct supervisor {
	const char *name; /* of a child, for the log */
	struct supervisor_ops ops;
	struct supervisor_limits limits;
	struct supervisor_row rows[SUPERVISOR_ROWS];
	struct supervisor_place places[POOL_WANTED_MAX];
	bool draining;
	uint64_t deaths; /* unasked and not clean */
	uint64_t killed; /* over busy_ms */
};

/* name is borrowed for good. */
void supervisor_init(struct supervisor *s, const char *name,
    const struct supervisor_ops *ops, const struct supervisor_limits *limits);

/*
 * Does what is due. Returns when there will be something to do again without
 * any child's end; INT64_MAX: never.
 */
int64_t supervisor_tick(struct supervisor *s, int64_t now_ms);

/* The child of a row is gone. code: exit status; signal: 0 unless by one. */
void supervisor_ended(struct supervisor *s, size_t row, int code, int signal,
    int64_t now_ms);

/*
 * New limits and a new generation. The old one serves until every new child is
 * ready, then is asked to leave; with stop_first it leaves before.
 */
void supervisor_reload(struct supervisor *s,
    const struct supervisor_limits *limits, int64_t now_ms);

/* Starts nothing any more and asks all to leave. */
void supervisor_drain(struct supervisor *s, int64_t now_ms);

size_t supervisor_alive(const struct supervisor *s);

/* Children of the current generation that are ready. */
size_t supervisor_ready(const struct supervisor *s);

/* Latest time until which a child is held back; 0: none is. */
int64_t supervisor_held_until(const struct supervisor *s, int64_t now_ms);

#endif
