#ifndef AGENTS_OUTPUT_H
#define AGENTS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "util/redact.h"

/*
 * output: reads an agent's standard output and says what came of it. How to
 * read is the manifest's "output":
 *
 *	text                all of it is the agent's words; exit 0 is success
 *	claude-stream-json  one JSON object a line; success is exit 0 and a
 *	                    "result" line without error
 *	codex-json          one JSON object a line; success is exit 0 and
 *	                    "turn.completed"
 *
 * The agent's code is not ours: lines that are no JSON, or of a type not
 * known here, are kept as text, lines over AGENT_LINE_MAX are passed over.
 * Memory is bounded whatever comes.
 *
 *	agent_output_open -> feed* -> end -> close
 */
#define AGENT_LINE_MAX ((size_t)1024 * 1024)
#define AGENT_WORDS_MAX ((size_t)256 * 1024) /* the last ones are kept */
#define AGENT_REASON_MAX 400

bool agent_output_known(const char *output);

struct agent_report {
	bool success;
	char *words; /* what the agent said in the end; "" when nothing */
	char reason[AGENT_REASON_MAX]; /* its own words for a failure, or "" */
	char session[80];

	int64_t input_tokens, cached_tokens, output_tokens, reasoning_tokens;
	int64_t turns;
	int64_t cost_micro_usd; /* -1: not told */
};

void agent_report_clear(struct agent_report *r); /* takes a zeroed struct */

struct agent_output;

int agent_output_open(struct agent_output **o, const char *output,
    struct err *e) MUST_CHECK;

/*
 * Before the first feed: what is kept passes the redactor as it arrives, before
 * anything is cut off it, so that no part of a secret is left at an edge. r
 * must outlive *o.
 */
int agent_output_redact(struct agent_output *o, const struct redact *r,
    struct err *e) MUST_CHECK;
int agent_output_feed(struct agent_output *o, const char *bytes, size_t len,
    struct err *e) MUST_CHECK;

/* exit_code: of the agent's process. The report's strings are the caller's. */
int agent_output_end(struct agent_output *o, int exit_code,
    struct agent_report *r, struct err *e) MUST_CHECK;
void agent_output_close(struct agent_output *o); /* takes NULL */

#endif
