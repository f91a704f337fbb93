#ifndef API_PULL_FAILURE_H
#define API_PULL_FAILURE_H

#include "store/state.h"

/*
 * pull_failure: what create-pr answers when its push ended as a task may end
 * too: the sandbox, the machine or E2B failed, not the push itself. Pure.
 */
struct pull_failure {
	enum failure failure;
	int status;       /* 500: our own fault, whose words stay in the log */
	int retry_s;      /* for Retry-After; 0: waiting alone helps nobody */
	const char *text; /* NULL: the run's own words are right here too */
};

/* Never NULL. */
const struct pull_failure *pull_failure_of(enum failure f);

#endif
