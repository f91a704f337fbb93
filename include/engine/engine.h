#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>

#include "config/config.h"
#include "util/err.h"

/*
 * engine: the reaper. Claims pending tasks, has a runner started for each,
 * follows the runners by their locks and spools, ships what they write into
 * the database, ends, retries and cleans up (reliability 5 to 10).
 *
 * One process, one event loop, one database connection. Whatever kills it, the
 * runners go on, and the next engine adopts them.
 */
struct engine_options {
	const struct config *config;
	int lifeline; /* its end of file means "stop"; -1: none */
	bool once;    /* return when nothing is running here or pending */
	bool drain;   /* claim nothing; return when nothing is running here */
};

/*
 * Runs until SIGTERM, SIGINT, SIGHUP or the lifeline's end, or until there is
 * nothing left to do. Runners that still run stay.
 *
 * ERR_CONFLICT: this state folder has a reaper already, or was copied from
 * another machine's. ERR_INVALID: the state folder is unfit.
 */
int engine_run(const struct engine_options *o, struct err *e) MUST_CHECK;

#endif
