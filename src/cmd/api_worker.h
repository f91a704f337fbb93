#ifndef CMD_API_WORKER_H
#define CMD_API_WORKER_H

#include "api/api.h"
#include "config/config.h"
#include "pool/worker.h"
#include "util/err.h"

/*
 * api_worker: what "serve" and "api" have in common: the handler of the api
 * layer in a worker of the pool.
 */

/* Configuration and randomness; before anything is forked. */
int api_worker_prepare(struct config *cfg, const char *config_path,
    const char *process, struct err *e) MUST_CHECK;

/*
 * Logs to LOG_FILE from here on, if there is one. After all that whoever typed
 * the command should see when it fails.
 */
int api_worker_log(const struct config *cfg, struct err *e) MUST_CHECK;

/* Says loudly what is only for development; once the log is where it stays. */
void api_worker_warn(const struct config *cfg);

/*
 * Serves until it is told to leave; logs what went wrong. The exit status. A
 * worker of a pool retires: somebody starts the next one. That of API_ALL
 * stands alone.
 */
int api_worker_live(const struct config *cfg, const struct worker_place *place,
    enum api_part part);

#endif
