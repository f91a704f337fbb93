#ifndef POOL_MASTER_H
#define POOL_MASTER_H

#include "pool/listener.h"
#include "pool/scoreboard.h"
#include "pool/worker.h"
#include "util/err.h"
#include "util/proc.h"

/* What a reload may change. Strings are borrowed until the next reload. */
struct master_settings {
	size_t workers; /* 1 to POOL_WANTED_MAX */
	long request_limit_s;
	size_t outbound_workers; /* likewise, when there is such a pool */
	long outbound_limit_s;
	bool fetches_keys;    /* start_fetcher is wanted */
	const char *log_file; /* "" is standard error */
};

/* Workers that serve one socket. */
struct master_pool {
	struct listener *listener;
	struct scoreboard *board;

	/* The life of a worker, in a process of its own; its exit status. */
	int (*worker)(void *ctx, const struct worker_place *place);
};

struct master_options {
	struct master_settings settings;
	struct master_pool pool;

	/*
	 * A second, small pool for requests that wait for others' servers, so
	 * that those never keep the first one busy. NULL: none.
	 */
	const struct master_pool *outbound;

	/* Starts the reaper, to which lifeline_fd is given. NULL: none. */
	int (*start_reaper)(void *ctx, int lifeline_fd, struct proc *p,
	    struct err *e);

	/* Likewise what fetches an identity provider's keys. NULL: none. */
	int (*start_fetcher)(void *ctx, int lifeline_fd, struct proc *p,
	    struct err *e);

	/* Reads the configuration again. -1: it is wrong, keep the old. */
	int (*reload)(void *ctx, struct master_settings *s, struct err *e);

	void *ctx;
};

/*
 * master: the process of "taskmill serve". Keeps workers and reaper alive
 * until SIGTERM or SIGINT, then drains: the sockets go, what waits in them is
 * still served, then the workers leave. SIGHUP reads the configuration again
 * and replaces all processes without losing a request; SIGUSR1 opens the logs
 * again. When the master is killed, its children see the end of their
 * lifeline and leave by themselves.
 *
 * Returns 0 after an orderly end.
 */
int master_run(const struct master_options *o, struct err *e) MUST_CHECK;

/*
 * From now on signals wait for master_run(). For before there is a socket: who
 * sees that may send one.
 */
int master_hold_signals(struct err *e) MUST_CHECK;

#endif
