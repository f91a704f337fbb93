#ifndef AGENTS_OUTPUT_H
#define AGENTS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/rules.h"
#include "util/err.h"
#include "util/redact.h"

/*
 * output: reads an agent's standard output, and says what happens and what
 * came of it. How to read is the manifest's "output":
 *
 *	text        all of it is the agent's words; exit 0 is success
 *	json-lines  one JSON object a line, read by the agent's rules
 *	            (agents/rules.h); success is exit 0 and a result that is ok
 *
 * The agent's code is not ours: lines that are no JSON, or that no rule knows,
 * are kept as text, lines over AGENT_LINE_MAX are passed over. Memory is
 * bounded whatever comes.
 *
 *	agent_output_open -> feed* -> end -> close
 *
 * Events are a function of the bytes alone, however they are cut into pieces:
 * who reads the same output again gets the same events again.
 */
#define AGENT_LINE_MAX ((size_t)1024 * 1024)
#define AGENT_WORDS_MAX ((size_t)256 * 1024) /* the last ones are kept */
#define AGENT_REASON_MAX 400
#define AGENT_WORD_MAX 300                /* of an event's short members */
#define AGENT_TEXT_MAX ((size_t)8 * 1024) /* of an event's long ones */
#define AGENT_EVENTS_MAX 10000

struct agent_report {
	bool success;
	char *words; /* what the agent said in the end; "" when nothing */
	char reason[AGENT_REASON_MAX]; /* its own words for a failure, or "" */
	const char *failure; /* class of the failure; lives for ever */
	char session[80];
	char model[100];  /* "": not told */
	char version[80]; /* of the agent, likewise */

	int64_t input_tokens, cached_tokens, output_tokens, reasoning_tokens;
	int64_t turns;
	int64_t cost_micro_usd; /* -1: not told */
};

void agent_report_clear(struct agent_report *r); /* takes a zeroed struct */

/*
 * Called with each event, a JSON object as text:
 * {"type":"tool_start","id":"t1","tool":"Bash","input":"{...}"}. The types and
 * members are those of agents/rules.h, but "cost_micro_usd" for "cost_usd".
 * "cut": true says that a text was longer, "raw": true that it is a line that
 * was not understood. All text is redacted and valid. -1 ends the feeding.
 */
typedef int agent_event_fn(void *ctx, const char *json, size_t len,
    struct err *e);

/* What to read and for whom. All of it must outlive the output. */
struct agent_output_spec {
	const struct agent_rules *rules; /* NULL: the kind "text" */

	/*
	 * What is kept passes the redactor as it arrives, before anything is
	 * cut off it, so that no part of a secret is left at an edge.
	 */
	const struct redact *redact; /* NULL: none */
	const char *root; /* taken off the front of files' paths; NULL: none */

	/*
	 * No more events than AGENT_EVENTS_MAX, and none once max_bytes are
	 * out, but a usage or a result, of which there may be a few more.
	 */
	agent_event_fn *event; /* NULL: nobody listens */
	void *ctx;
	size_t max_bytes;
};

struct agent_output;

int agent_output_open(struct agent_output **o,
    const struct agent_output_spec *spec, struct err *e) MUST_CHECK;
int agent_output_feed(struct agent_output *o, const char *bytes, size_t len,
    struct err *e) MUST_CHECK;

/* True once it has said how it ended; then it has little reason to stay. */
bool agent_output_finished(const struct agent_output *o);

/* exit_code: of the agent's process. The report's strings are the caller's. */
int agent_output_end(struct agent_output *o, int exit_code,
    struct agent_report *r, struct err *e) MUST_CHECK;
void agent_output_close(struct agent_output *o); /* takes NULL */

#endif
