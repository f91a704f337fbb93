#ifndef AGENTS_RULES_H
#define AGENTS_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

/*
 * rules: how the lines of an agent's output become events. An agent that
 * prints a JSON object a line says so in its manifest ("output": "json-lines",
 * "events": a file beside it), and the file says what the lines mean, so that
 * a new agent, or a new version of one, is a change of data:
 *
 * {
 *   "rules": [
 *     { "line": { "type": "assistant" },        which lines
 *       "each": "message.content",              an array in them; optional
 *       "item": { "type": "tool_use" },         which of its objects
 *       "event": "tool_start",                  what it is
 *       "id": "id", "tool": "name", "input": "input" }
 *   ],
 *   "ignore": [ { "type": "system" } ],         known, and of no interest
 *   "failures": [ { "code": "billing_error", "is": "agent_quota" } ]
 * }
 *
 * Conditions are paths and what must stand there: a value, or a list of which
 * one must. A path is names with dots between, a number for an item of an
 * array. All rules that fit apply, in order; "last": true ends it there. A
 * line that no rule and no "ignore" fits is kept as text.
 *
 * Events: session, text, reasoning, tool_start, tool_end, file_change, retry,
 * notice, usage, failure, result. The other members of a rule are the event's
 * own: where each stands in the line (of "each", in the object); a list of
 * paths is the first that leads to something; a number or a truth value is
 * itself. Their names:
 *
 *	session model version                      of the run
 *	text                                       what is said, or why
 *	id tool input output failed exit_code      of a tool's call
 *	path change                                of a file
 *	attempt attempts wait_ms status code       of a retry or a failure
 *	input_tokens cached_tokens output_tokens reasoning_tokens turns cost_usd
 *	ok                                         of a result
 *
 * "add": ["turns"]: these numbers are added to those of lines before.
 *
 * "failures" say which class an unsuccessful end is of, by a "code" or a
 * "status" that an event had, or, where there is neither or they say nothing,
 *by a "text" in the agent's own reason. "is" is one of agent_key, agent_quota,
 * agent_rate and agent_limit.
 */
#define AGENT_RULES_MAX ((size_t)64 * 1024) /* bytes of the file */

struct agent_rules;

/* Reads a file. ERR_INVALID: it is not as above; the text says where. */
int agent_rules_read(struct agent_rules **r, const char *path,
    struct err *e) MUST_CHECK;
void agent_rules_free(struct agent_rules *r); /* takes NULL */

/*
 * The class of an unsuccessful end: by code ("": none), status of HTTP (0:
 * none), or the agent's reason; "agent_failed" when they say nothing special.
 * The string lives for ever. r may be NULL.
 */
const char *agent_rules_failure(const struct agent_rules *r, const char *code,
    int status, const char *reason);

#endif
