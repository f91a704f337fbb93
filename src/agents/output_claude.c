/* Claude Code's lines: stream-json of "claude -p". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/output_impl.h"

#define COST_MEMBER "\"total_cost_usd\":"
#define COST_MOST 1e6

/* Types of lines that mean nothing to us. */
static const char *const passed_over[] = { "system", "user", "stream_event",
	"control_response", "control_request", "rate_limit_event" };

/*
 * The price is the only number with a fraction, and read from the line
 * itself: in a valid document this text cannot stand inside a string, where
 * the quotes would have a backslash.
 */
static int64_t
read_cost(const char *text, size_t len)
{
	const char *at =
	    memmem(text, len, COST_MEMBER, sizeof(COST_MEMBER) - 1);
	char number[32];
	double cost;
	char *end;

	if (at == NULL)
		return -1;
	at += sizeof(COST_MEMBER) - 1;
	len -= (size_t)(at - text);
	(void)snprintf(number, sizeof(number), "%.*s",
	    (int)(len < sizeof(number) ? len : sizeof(number) - 1), at);
	cost = strtod(number, &end);
	if (end == number || !(cost >= 0 && cost <= COST_MOST))
		return -1;
	return (int64_t)(cost * 1e6 + 0.5);
}

/* The text blocks of an "assistant" line: its last one may be the last word. */
static void
take_assistant(struct output_state *s, struct json_object *o)
{
	struct json_object *message, *content;
	const char *text;
	size_t len;

	if (json_get_object(o, "message", &message) != JSON_FOUND ||
	    json_get_array(message, "content", &content) != JSON_FOUND)
		return;
	for (size_t i = 0; i < json_array_size(content); i++) {
		struct json_object *block = json_array_object(content, i);

		if (block == NULL)
			continue;
		text = output_text(block, "text", &len);
		if (len > 0)
			output_words(s, text, len);
	}
}

static void
take_usage(struct output_state *s, struct json_object *o)
{
	struct json_object *usage;

	if (json_get_object(o, "usage", &usage) != JSON_FOUND)
		return;
	output_count(usage, "input_tokens", &s->report.input_tokens);
	output_count(usage, "cache_read_input_tokens",
	    &s->report.cached_tokens);
	output_count(usage, "output_tokens", &s->report.output_tokens);
}

static void
take_result(struct output_state *s, struct json_object *o, const char *line,
    size_t line_len)
{
	struct json_object *errors;
	const char *text, *subtype;
	size_t len, subtype_len;
	bool is_error = true;

	/* A rejected key is a "success" with is_error (B4): look at both. */
	subtype = output_text(o, "subtype", &subtype_len);
	(void)json_get_bool(o, "is_error", &is_error);
	s->finished = true;
	s->failed = is_error || strcmp(subtype, "success") != 0;
	text = output_text(o, "result", &len);
	if (len > 0)
		output_words(s, text, len);
	if (s->failed) {
		if (len == 0 &&
		    json_get_array(o, "errors", &errors) == JSON_FOUND &&
		    json_array_string(errors, 0) != NULL) {
			text = json_array_string(errors, 0);
			len = strlen(text);
		}
		output_copy(s, s->report.reason, sizeof(s->report.reason),
		    len > 0 ? text : subtype, len > 0 ? len : subtype_len);
	}
	output_count(o, "num_turns", &s->report.turns);
	take_usage(s, o);
	s->report.cost_micro_usd = read_cost(line, line_len);
}

bool
output_claude_line(struct output_state *s, struct json_object *o,
    const char *text, size_t len)
{
	size_t n, session_len;
	const char *type = output_text(o, "type", &n);
	const char *session = output_text(o, "session_id", &session_len);

	if (session_len > 0)
		output_copy(s, s->report.session, sizeof(s->report.session),
		    session, session_len);
	if (strcmp(type, "result") == 0) {
		take_result(s, o, text, len);
		return true;
	}
	if (strcmp(type, "assistant") == 0) {
		take_assistant(s, o);
		return true;
	}
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]);
	     i++) {
		if (strcmp(type, passed_over[i]) == 0)
			return true;
	}
	return false;
}
