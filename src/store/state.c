#include "store/state.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	bool final;
} states[] = {
	[TASK_PENDING] = { "pending", false },
	[TASK_RUNNING] = { "running", false },
	[TASK_COMPLETED] = { "completed", true },
	[TASK_FAILED] = { "failed", true },
	[TASK_CANCELLED] = { "cancelled", true },
};

_Static_assert(sizeof(states) / sizeof(states[0]) == TASK_STATE_N,
    "every state has its row");

static const char *const failures[] = {
	[FAILURE_NONE] = "none",
	[FAILURE_QUOTA] = "quota",
	[FAILURE_E2B_KEY] = "e2b_key",
	[FAILURE_E2B_BLOCKED] = "e2b_blocked",
	[FAILURE_E2B_TEMPLATE] = "e2b_template",
	[FAILURE_E2B_CAPACITY] = "e2b_capacity",
	[FAILURE_E2B_RATE] = "e2b_rate",
	[FAILURE_E2B_REFUSED] = "e2b_refused",
	[FAILURE_E2B_AWAY] = "e2b_away",
	[FAILURE_E2B_PROTOCOL] = "e2b_protocol",
	[FAILURE_GITHUB_AUTH] = "github_auth",
	[FAILURE_REPO_ACCESS] = "repo_access",
	[FAILURE_REPO_EMPTY] = "repo_empty",
	[FAILURE_NETWORK] = "network",
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_AGENT] = "agent_failed",
	[FAILURE_AGENT_MISSING] = "agent_missing",
	[FAILURE_AGENT_KEY] = "agent_key",
	[FAILURE_AGENT_QUOTA] = "agent_quota",
	[FAILURE_AGENT_RATE] = "agent_rate",
	[FAILURE_AGENT_LIMIT] = "agent_limit",
	[FAILURE_TOO_LARGE] = "too_large",
	[FAILURE_SANDBOX] = "sandbox_lost",
	[FAILURE_DISK] = "disk_full",
	[FAILURE_SECRET] = "secret_lost",
	[FAILURE_INTERNAL] = "internal",
};

_Static_assert(sizeof(failures) / sizeof(failures[0]) == FAILURE_N,
    "every failure has its name");

const char *
task_state_name(enum task_state s)
{
	return (unsigned int)s < TASK_STATE_N ? states[s].name : "";
}

enum task_state
task_state_of(const char *name)
{
	unsigned int s = 0;

	while (s < TASK_STATE_N && strcmp(states[s].name, name) != 0)
		s++;
	return (enum task_state)s;
}

bool
task_state_final(enum task_state s)
{
	return (unsigned int)s < TASK_STATE_N && states[s].final;
}

const char *
failure_name(enum failure f)
{
	return (unsigned int)f < FAILURE_N ? failures[f] : "internal";
}

enum failure
failure_of(const char *name)
{
	for (unsigned int f = 0; f < FAILURE_N; f++)
		if (strcmp(failures[f], name) == 0)
			return (enum failure)f;
	return FAILURE_INTERNAL;
}
