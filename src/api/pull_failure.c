#include "api/pull_failure.h"

#include <stddef.h>

/* What the run says of these is meant for a task: start it again. */
#define NOT_PUSHED "The branch could not be pushed: "

/* clang-format off */
static const struct pull_failure answers[] = {
	{ FAILURE_NONE, 500, 0, NULL },
	{ FAILURE_QUOTA, 503, 60, NOT_PUSHED
	    "the E2B account already runs as many sandboxes as its plan allows. "
	    "Please try again when some of them have ended" },
	{ FAILURE_E2B_KEY, 502, 0, NOT_PUSHED
	    "E2B rejects the API key of this server. Its administrator has to "
	    "set another (E2B_API_KEY)" },
	{ FAILURE_E2B_BLOCKED, 502, 0, NOT_PUSHED
	    "E2B has blocked the team of this server's API key. Its "
	    "administrator finds the reason in E2B's dashboard" },
	{ FAILURE_E2B_TEMPLATE, 502, 0, NOT_PUSHED
	    "E2B has no such template for the sandbox (E2B_TEMPLATE_ID). The "
	    "administrator of this server has to name another" },
	{ FAILURE_E2B_CAPACITY, 503, 60, NOT_PUSHED
	    "E2B has no room for another sandbox at the moment. Please try "
	    "again later" },
	{ FAILURE_E2B_RATE, 503, 60, NOT_PUSHED
	    "E2B accepts no more requests of this server at the moment. Please "
	    "try again later" },
	{ FAILURE_E2B_REFUSED, 502, 0, NOT_PUSHED
	    "E2B refused to make or use a sandbox. The administrator of this "
	    "server finds its words in the log" },
	{ FAILURE_E2B_AWAY, 502, 30, NOT_PUSHED
	    "E2B could not be reached, or failed. Please try again later" },
	{ FAILURE_E2B_PROTOCOL, 502, 0, NOT_PUSHED
	    "E2B answered in a way that this server does not understand. Its "
	    "administrator can try \"taskmill check --online\"" },
	{ FAILURE_GITHUB_AUTH, 401, 0, NULL },
	{ FAILURE_REPO_ACCESS, 422, 0, NULL },
	{ FAILURE_REPO_EMPTY, 422, 0, NULL },
	{ FAILURE_NETWORK, 502, 10, NULL },
	{ FAILURE_TIMEOUT, 502, 10, NULL },
	/* No agent has a part in it. */
	{ FAILURE_AGENT, 500, 0, NULL },
	{ FAILURE_AGENT_MISSING, 500, 0, NULL },
	{ FAILURE_AGENT_KEY, 500, 0, NULL },
	{ FAILURE_AGENT_QUOTA, 500, 0, NULL },
	{ FAILURE_AGENT_RATE, 500, 0, NULL },
	{ FAILURE_AGENT_LIMIT, 500, 0, NULL },
	{ FAILURE_TOO_LARGE, 422, 0, NULL },
	{ FAILURE_SANDBOX, 502, 10, NULL },
	{ FAILURE_DISK, 503, 60, NOT_PUSHED
	    "there is no disk space left where that is done. Please try again "
	    "later" },
	{ FAILURE_SECRET, 503, 10, NOT_PUSHED
	    "the token could not be kept for it. Please try again" },
	{ FAILURE_INTERNAL, 500, 0, NULL },
};
/* clang-format on */

_Static_assert(sizeof(answers) / sizeof(answers[0]) == FAILURE_N,
    "every class has its answer");

const struct pull_failure *
pull_failure_of(enum failure f)
{
	for (size_t i = 0; i < FAILURE_N; i++)
		if (answers[i].failure == f)
			return &answers[i];
	return pull_failure_of(FAILURE_INTERNAL);
}
