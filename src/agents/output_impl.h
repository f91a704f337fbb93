#ifndef AGENTS_OUTPUT_IMPL_H
#define AGENTS_OUTPUT_IMPL_H

#include "agents/output.h"
#include "agents/rules_impl.h"
#include "util/buf.h"

#define PIECE_MAX ((size_t)16 * 1024 * 1024)

/* What the lines have said so far. */
struct output_state {
	struct agent_output_spec spec;
	struct agent_report report; /* words are set at the end */
	struct buf words;           /* of the final line, or the last message */
	bool finished;              /* a final line was there */
	bool failed;                /* and it said so */
	int status;                 /* of the last failure; 0: none */
	char code[80];              /* likewise; "": none */

	size_t events, bytes; /* sent */
	bool full;            /* and no more of them */
	struct buf event;     /* being written; reused */
};

/*
 * Applies the rules to one line. 1: it is known, 0: it is not, -1: as the
 * listener said.
 */
int output_line(struct output_state *s, struct json_object *line,
    struct err *e) MUST_CHECK;

/* Sends text as an event of its own. */
int output_say(struct output_state *s, enum agent_event type, const char *text,
    size_t len, bool raw, struct err *e) MUST_CHECK;

/* The whole text without its secrets; before it is cut, never after. */
struct buf output_redacted(const struct output_state *s, const char *text,
    size_t len);

/* Sets words to a text (replaces what was there; cut to its last part). */
void output_words(struct output_state *s, const char *text, size_t len);

/*
 * Appends to out a line as strict JSON has it: what a program may write that
 * cuts its texts anywhere (half characters, \u0000) is replaced.
 */
void output_repair(struct buf *out, const char *line, size_t len);

#endif
