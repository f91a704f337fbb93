#ifndef ENGINE_IMPL_H
#define ENGINE_IMPL_H

#include "config/config.h"
#include "db/db.h"
#include "engine/batch.h"
#include "engine/cloud_janitor.h"
#include "engine/identity.h"
#include "engine/janitor.h"
#include "engine/job.h"
#include "engine/keyring.h"
#include "engine/quota.h"
#include "engine/room.h"
#include "engine/run.h"
#include "engine/spawner.h"
#include "engine/timer.h"

/*
 * What the engine's modules share: the engine itself, and the care for its
 * one database connection. Everything runs in one loop (loop.c); a function
 * here never waits for anything but the database and the spawner.
 */
struct engine {
	const struct config *config;
	bool once, drain;

	struct identity id;
	struct db *db;
	struct keyring keys;
	struct spawner spawner;
	struct runs runs;
	struct janitor janitor;
	struct cloud_janitor cloud;
	struct room room;
	struct quota quota;
	struct batch batch;

	int spool_fd; /* the folder of spool folders */
	int epoll_fd;
	int poke_fd;
	int lifeline;

	bool registered; /* our machine row is there; past boots are settled */
	bool poked;
	bool busy;      /* something is due at once */
	bool idle_seen; /* the last claim found nothing */

	/* The database. away_ms: since when it has failed us; 0: it works. */
	struct backoff db_wait;
	int64_t away_ms;
	unsigned int generation;

	struct timer claim, wishes, beat, peers, sweep, expire, tick;
	int64_t sweep_from_ms; /* no sweep before */
	int64_t clock_offset_us;
	bool clock_known;
	int64_t others; /* machines that might take over our tasks */
	pid_t watched_spawner, watched_cloud;
	bool stop;
};

/* link.c: the connection */

/* True when the database may be asked now. */
bool link_ready(const struct engine *g, int64_t now_ms);

/* After a statement worked; notices new connections. */
void link_worked(struct engine *g, int64_t now_ms);

/*
 * After one failed. ERR_RETRY: everybody waits a little, longer each time.
 * Anything else is the caller's own trouble, and is logged here too.
 */
void link_failed(struct engine *g, const struct err *e, const char *what);

/* Since when nobody could renew: the run may have been taken over. */
bool link_cut_off(const struct engine *g, const struct run *r, int64_t now_ms);

/* claim.c: takes due tasks, as many as may run, and starts them. */
void claim_due(struct engine *g, int64_t now_ms);

/* start.c: from a claim to a runner. Failures end or give back the task. */
void start_claimed(struct engine *g, const struct claim *c);

/*
 * Starts another runner in the folder of one that has died, to go on with its
 * sandbox. What does not work now is tried again later.
 */
void start_resumed(struct engine *g, struct run *r);

/* The same for the push of a pull request. */
void start_publishing(struct engine *g, const struct publish_claim *c);

/* publish.c */

/* Claims and starts one push: 1, or 0 when there is none or not now. */
int publish_claim_one(struct engine *g);

/*
 * Records how a push ended. 1 when that is done, 0 when the run was stopped
 * from outside and has no end, -1 not now, which was dealt with.
 */
int publish_deliver(struct engine *g, struct run *r);

/* Ends a push otherwise: 0, or -1 not now, which was dealt with. */
int publish_end(struct engine *g, struct run *r,
    const struct publish_result *p);

/* Ends one that has no run (yet). */
void publish_refuse(struct engine *g, const struct hold *h, const char *failure,
    const char *text);

/* ship.c */

enum ship_end {
	SHIP_ALL,   /* everything that is there is in the database */
	SHIP_MORE,  /* stopped at the budget */
	SHIP_FAILED /* not now; the reason was dealt with */
};

/* Ships what is there, at most batches transactions. */
enum ship_end ship_run(struct engine *g, struct run *r, unsigned int batches);

/*
 * The same, but leaves the last small piece in g->batch, not shipped, for the
 * transaction that ends the task.
 */
enum ship_end ship_but_last(struct engine *g, struct run *r,
    unsigned int batches);

/* Ships what the last one has left in g->batch. -1: not now, dealt with. */
int ship_held(struct engine *g, struct run *r);

/* Makes r->shipped known; -1: not now, which was dealt with. */
int ship_position(struct engine *g, struct run *r);

/* Renews the lease and learns where the task stands. */
void ship_renew(struct engine *g, struct run *r, int64_t now_ms);

/* A fault of this run alone: leave it alone for a while. */
void ship_fault(struct run *r, const struct err *e, const char *what);

/* finish.c: the three ways to end an attempt. Each may have to be repeated. */
void finish_deliver(struct engine *g, struct run *r);
void finish_lost(struct engine *g, struct run *r, const char *why);
void finish_drop(struct engine *g, struct run *r);

/* Goes on with a run that is r->cleaning. */
void finish_clean(struct engine *g, struct run *r);

/* Ends a task that has no run (yet) as failed. */
void finish_failed(struct engine *g, const struct hold *h, enum failure failure,
    const char *text);

/* step.c: one look at one run. */
void step_run(struct engine *g, struct run *r, int64_t now_ms);

/* adopt.c */
int adopt_spools(struct engine *g, struct err *e) MUST_CHECK;

/*
 * Registers this machine and gives back what past boots of it held. 0 when
 * done or not possible now; -1: this folder is a copy, give up.
 */
int adopt_register(struct engine *g, int64_t now_ms, struct err *e) MUST_CHECK;

/* Wishes to cancel; and rows of ours without a run. */
void adopt_wishes(struct engine *g, int64_t now_ms);

/* sweep.c: leases of other machines, the heartbeat, old keys. */
void sweep_due(struct engine *g, int64_t now_ms);

#endif
