#ifndef AGENTS_OUTPUT_IMPL_H
#define AGENTS_OUTPUT_IMPL_H

#include "agents/output.h"
#include "util/buf.h"
#include "util/json.h"

/* What a reader of lines may fill; output.c does the rest. */
struct output_state {
	struct agent_report report; /* words are set at the end */
	struct buf words;           /* of the final line, or the last message */
	bool finished;              /* a final line was there */
	bool failed;                /* and it said so */
	const struct redact *redact; /* may be NULL */
};

/* Takes one line that is a JSON object. False: of no known type. */
typedef bool output_line(struct output_state *s, struct json_object *o,
    const char *text, size_t len);

output_line output_claude_line;
output_line output_codex_line;

/* Sets words to a text (replaces what was there; cut to its last part). */
void output_words(struct output_state *s, const char *text, size_t len);

/* Member name as text; "" when it is no string. */
const char *output_text(struct json_object *o, const char *name, size_t *len);

/* Sets *n to member name if it is a number that makes sense. */
void output_count(struct json_object *o, const char *name, int64_t *n);

/* Copies at most size - 1 bytes, whole characters, of one line. */
void output_copy(const struct output_state *s, char *out, size_t size,
    const char *text, size_t len);

#endif
