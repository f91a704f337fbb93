#ifndef SPOOL_SPEC_H
#define SPOOL_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/*
 * spec: everything a runner needs to know for one attempt, but the secrets.
 * Written by the reaper as spec.json; version 1. A reader refuses a version
 * that it does not know (reliability 16: one back and forth).
 *
 * Unknown members are ignored; missing ones are ERR_BROKEN, but those that say
 * otherwise.
 */
#define SPEC_VERSION 1

struct spec {
	int64_t task_id;
	unsigned int attempt;

	char *prompt;
	char *clone_url;  /* built from checked parts */
	char *origin_url; /* "https://host/": where the token is valid */
	char *branch;
	char *agent; /* what the user chose */

	char *mode;        /* "simulation" or "e2b" */
	char *share_dir;   /* agents/ and sandbox/ are below */
	char *sandbox_dir; /* the attempt's workspace is made below */
	char *ca_file;     /* for the repository's host; "" the system's */

	char *isolation;  /* "bwrap" or "none" */
	char *agent_kind; /* "simulated" or "cli" */
	bool agent_network;
	char *sandbox_user;
	long memory_mb, processes, open_files, file_mb, cpu_s;

	long life_s, clone_limit_s, agent_limit_s, command_limit_s;
	long output_max_bytes, patch_max_bytes, changed_files_max;
	long cancel_grace_ms;

	/*
	 * What is to be done: "task", or "publish": push the patch beside the
	 * spec (SPOOL_PATCH) as a branch. These may be missing; then job is
	 * "task" and the others are "" and 0.
	 */
	char *job;
	char *base_commit;   /* that the patch was made from; "": not known */
	char *head_branch;   /* the branch's name, or its beginning */
	int64_t completed_s; /* of the task; for a patch without a date */

	/*
	 * Of the agent; these may be missing, too: "" and 0 are no limit, no
	 * default of ours, and no folder.
	 */
	char *agent_model;    /* which; "": as its program chooses */
	char *agent_path;     /* local: folders of programs, with ':' between */
	char *agent_registry; /* that it is installed from; "": npm's */
	bool agent_github_token; /* it gets the repository's token */
	long agent_idle_s, agent_linger_s, agent_install_limit_s;
	long agent_max_turns, agent_budget_cents;

	/*
	 * Of the mode "e2b" (exec/sandbox.h says what they are); missing in
	 * others. "" and 0 are the defaults.
	 */
	char *e2b_template, *e2b_domain, *e2b_api_url, *e2b_sandbox_url;
	char *e2b_ca_file, *e2b_deployment;
	bool e2b_allow_http;
	long e2b_create_s, e2b_busy_wait_s, e2b_quota_wait_s, e2b_silence_s;

	char *log_level; /* of runner.log; may be missing: "info" */
};

void spec_clear(struct spec *s); /* takes a zeroed struct */
int spec_write(int dirfd, const struct spec *s, struct err *e) MUST_CHECK;
int spec_read(int dirfd, struct spec *s, struct err *e) MUST_CHECK;

/*
 * Secrets, over a pipe and never on disk:
 * {"github_token":"...","env":{"ANTHROPIC_API_KEY":"..."}} until end of file,
 * and "e2b_api_key" in the mode "e2b".
 * Only a complete document counts: a reaper that died in the middle leaves
 * ERR_ABSENT, and the runner goes away without a result.
 */
#define SECRETS_MAX_BYTES (32 * 1024)
#define SECRETS_ENV_MAX 16

struct secrets {
	char *github_token;             /* "" when there is none */
	char *e2b_api_key;              /* likewise */
	char *env[SECRETS_ENV_MAX + 1]; /* "NAME=value", NULL last */
};

void secrets_clear(struct secrets *s); /* wipes; takes a zeroed struct */
int secrets_write(int fd, const struct secrets *s, struct err *e) MUST_CHECK;

/* Waits at most limit_ms for all of it. */
int secrets_read(int fd, int limit_ms, struct secrets *s,
    struct err *e) MUST_CHECK;

#endif
