#ifndef AGENTS_AGENT_H
#define AGENTS_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

/*
 * agent: what an admin adds as a folder, SHARE_DIR/agents/NAME/ (design,
 * invariant 7):
 *
 *	agent.json   the manifest
 *	run          the script that runs in the sandbox (any file name that
 *	             the manifest gives)
 *
 * {
 *   "title": "Claude Code",
 *   "script": "run",                  file beside the manifest, put into the
 *                                     sandbox and run there by /bin/sh
 *   "env": ["ANTHROPIC_API_KEY"],     secrets it may have, by setting's name
 *   "output": "text",                 how to read its standard output:
 *                                     "text", "claude-stream-json",
 *                                     "codex-json"
 *   "network": true,                  needs the network
 *   "simulated_by": "simulated",      which agent stands in for it in
 *                                     simulation mode; absent: none
 *   "hidden": false                   true: cannot be chosen by users
 * }
 *
 * NAME is of [a-z0-9-], at most 40. Unknown members are refused, so that a
 * misspelt one is noticed.
 */
#define AGENT_NAME_MAX 40
#define AGENT_ENV_MAX 16
#define AGENTS_MAX 64

struct agent {
	char name[AGENT_NAME_MAX + 1];
	char *title;
	char *script;
	char *env[AGENT_ENV_MAX + 1];
	char *output;
	bool network;
	char *simulated_by; /* NULL: none */
	bool hidden;
};

bool agent_name_valid(const char *name);
int agent_read(struct agent *a, const char *share_dir, const char *name,
    struct err *e) MUST_CHECK;
void agent_clear(struct agent *a); /* takes a zeroed struct */

/* All agents of SHARE_DIR, sorted by name; claude and codex come first. */
struct agent_list {
	struct agent *agents;
	size_t count;
};

int agent_list_read(struct agent_list *l, const char *share_dir,
    struct err *e) MUST_CHECK;
void agent_list_clear(struct agent_list *l);

/* The one of that name which users may choose; NULL if there is none. */
const struct agent *agent_list_find(const struct agent_list *l,
    const char *name);

/*
 * The contract's text for a model that is none of them:
 * model must be either "claude" or "codex"; with more: "a", "b" or "c".
 */
void agent_list_choices(const struct agent_list *l, char *out, size_t size);

#endif
