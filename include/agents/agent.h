#ifndef AGENTS_AGENT_H
#define AGENTS_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "agents/rules.h"
#include "util/err.h"

/*
 * agent: what an admin adds as a folder, SHARE_DIR/agents/NAME/ (design,
 * invariant 7):
 *
 *	agent.json   the manifest
 *	run          the script that runs in the sandbox, and others that the
 *	             manifest names
 *
 * {
 *   "title": "Claude Code",
 *   "script": "run",                  file beside the manifest, put into the
 *                                     sandbox and run there by /bin/sh
 *   "env": ["ANTHROPIC_API_KEY"],     secrets it may have, by setting's name,
 *                                     or a variable of the reaper's own
 *   "needs": ["ANTHROPIC_API_KEY"],   one of these must be set
 *   "output": "json-lines",           how to read its standard output: so, or
 *                                     as "text"
 *   "events": "events.json",          the rules for that (agents/rules.h)
 *   "model": "sonnet",                which model, if nobody says; absent: as
 *                                     the program chooses
 *   "version": "2.1.197",             which one "install" installs
 *   "install": "install",             script that makes sure that the program
 *                                     is there, in a cloud sandbox, before it
 *                                     is needed
 *   "network": true,                  needs the network
 *   "simulated_by": "simulated",      which agent stands in for it in
 *                                     simulation mode; absent: none
 *   "hidden": false                   true: cannot be chosen by users, unless
 *                                     the setting AGENTS names it
 * }
 *
 * The scripts get what they need in variables: TASKMILL_AGENT (the name that
 * was asked for), TASKMILL_PROMPT_FILE, TASKMILL_AGENT_MODEL,
 * TASKMILL_AGENT_MAX_TURNS and TASKMILL_AGENT_BUDGET_USD (each only if set),
 * and for "install" TASKMILL_AGENT_VERSION, TASKMILL_FETCH (our script
 * sandbox/fetch-npm.sh) and TASKMILL_REGISTRY.
 *
 * A "run" that ends with 127 and has printed nothing says that its program is
 * not there.
 *
 * NAME is of [a-z0-9-], at most 40. Unknown members are refused, so that a
 * misspelt one is noticed.
 */
#define AGENT_NAME_MAX 40
#define AGENT_ENV_MAX 16
#define AGENT_MODEL_MAX 100
#define AGENTS_MAX 64

struct agent {
	char name[AGENT_NAME_MAX + 1];
	char *title;
	char *script;
	char *env[AGENT_ENV_MAX + 1];
	char *needs[AGENT_ENV_MAX + 1];
	char *output;
	char *events;              /* NULL: none */
	struct agent_rules *rules; /* NULL: "text" */
	char *model;               /* NULL: none */
	char *version;             /* NULL: none */
	char *install;             /* NULL: none */
	bool network;
	char *simulated_by; /* NULL: none */
	bool hidden;
};

bool agent_name_valid(const char *name);

/* 1 to AGENT_MODEL_MAX of [A-Za-z0-9._:/@+-] and brackets, no dash first. */
bool agent_model_valid(const char *model);
int agent_read(struct agent *a, const char *share_dir, const char *name,
    struct err *e) MUST_CHECK;
void agent_clear(struct agent *a); /* takes a zeroed struct */

/*
 * The setting AGENT_MODELS: which models an agent may be asked for, as
 * "claude=sonnet,claude=opus,codex=gpt-5-codex". The first of an agent is the
 * one that it gets unasked; "claude=*" lets one ask for any other, too; of an
 * agent that is not in the list any may be asked for.
 */

/* ERR_INVALID says what is wrong with it. */
int agent_models_check(const char *setting, struct err *e) MUST_CHECK;

/* True if this one may be asked for. */
bool agent_models_allow(const char *setting, const char *agent,
    const char *model);

/* The one that it gets unasked; false: as its manifest says. */
bool agent_models_default(const char *setting, const char *agent,
    char out[AGENT_MODEL_MAX + 1]);

/* All agents of SHARE_DIR, sorted by name; claude and codex come first. */
struct agent_list {
	struct agent *agents;
	size_t count;
};

int agent_list_read(struct agent_list *l, const char *share_dir,
    struct err *e) MUST_CHECK;
void agent_list_clear(struct agent_list *l);

/*
 * The setting AGENTS, names with commas between: these may be chosen by users,
 * and no others; "" changes nothing. ERR_INVALID: there is none of that name.
 */
int agent_list_offer(struct agent_list *l, const char *names,
    struct err *e) MUST_CHECK;

/* The one of that name which users may choose; NULL if there is none. */
const struct agent *agent_list_find(const struct agent_list *l,
    const char *name);

/*
 * The contract's text for a model that is none of them:
 * model must be either "claude" or "codex"; with more: "a", "b" or "c".
 */
void agent_list_choices(const struct agent_list *l, char *out, size_t size);

#endif
