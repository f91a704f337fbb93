#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <stdbool.h>

/*
 * task_state: the five states of a task (HTTP contract 3.7, pending -> running
 * -> an end). "Waits to be tried again" is pending with run_at ahead; "is being
 * cancelled" is running with cancel_requested_at.
 */
enum task_state {
	TASK_PENDING,
	TASK_RUNNING,
	TASK_COMPLETED,
	TASK_FAILED,
	TASK_CANCELLED,
	TASK_STATE_N
};

const char *task_state_name(enum task_state s);

/* TASK_STATE_N when there is no state of that name. */
enum task_state task_state_of(const char *name);
bool task_state_final(enum task_state s);

/*
 * failure: why a task failed, as a name for programs and, in "error", a text
 * for people (design, "Failure classes have names").
 */
enum failure {
	FAILURE_NONE,
	FAILURE_QUOTA,        /* "quota": the sandbox provider's quota */
	FAILURE_E2B_KEY,      /* "e2b_key": rejected */
	FAILURE_E2B_BLOCKED,  /* "e2b_blocked": the team is */
	FAILURE_E2B_TEMPLATE, /* "e2b_template": none, or not ours */
	FAILURE_E2B_CAPACITY, /* "e2b_capacity": no room for a sandbox */
	FAILURE_E2B_RATE,     /* "e2b_rate": too many requests */
	FAILURE_E2B_REFUSED,  /* "e2b_refused": for another reason */
	FAILURE_E2B_AWAY,     /* "e2b_away": no answer, or an error */
	FAILURE_E2B_PROTOCOL, /* "e2b_protocol": not understood */
	FAILURE_GITHUB_AUTH,  /* "github_auth" */
	FAILURE_REPO_ACCESS, /* "repo_access": repository or branch not found */
	FAILURE_REPO_EMPTY,  /* "repo_empty": no commit on the branch */
	FAILURE_NETWORK,     /* "network": the repository's host is away */
	FAILURE_TIMEOUT,     /* "timeout": of the step that the text names */
	FAILURE_AGENT,       /* "agent_failed" */
	FAILURE_AGENT_MISSING, /* "agent_missing": not installed */
	FAILURE_AGENT_KEY,     /* "agent_key": none, or rejected */
	FAILURE_AGENT_QUOTA,   /* "agent_quota": no credit, or over its quota */
	FAILURE_AGENT_RATE,    /* "agent_rate": its service is overloaded */
	FAILURE_AGENT_LIMIT,   /* "agent_limit": of turns, or of money */
	FAILURE_TOO_LARGE, /* "too_large": patch or file list over a limit */
	FAILURE_SANDBOX,   /* "sandbox_lost" */
	FAILURE_DISK,      /* "disk_full" */
	FAILURE_SECRET,   /* "secret_lost": the sealed token cannot be opened */
	FAILURE_INTERNAL, /* "internal" */
	FAILURE_N
};

const char *failure_name(enum failure f);
enum failure failure_of(const char *name); /* FAILURE_INTERNAL if unknown */

#endif
