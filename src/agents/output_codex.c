/* Codex's lines: "codex exec --json". */
#include <string.h>

#include "agents/output_impl.h"

static const char *const passed_over[] = { "turn.started", "item.started",
	"item.updated" };

static void
take_item(struct output_state *s, struct json_object *o)
{
	struct json_object *item;
	const char *type, *text;
	size_t len;

	if (json_get_object(o, "item", &item) != JSON_FOUND)
		return;
	/* An item of type "error" is a notice and not the end (C3). */
	type = output_text(item, "type", &len);
	if (strcmp(type, "agent_message") != 0)
		return;
	text = output_text(item, "text", &len);
	if (len > 0)
		output_words(s, text, len);
}

static void
take_completed(struct output_state *s, struct json_object *o)
{
	struct json_object *usage;

	s->finished = true;
	s->failed = false;
	s->report.turns++;
	if (json_get_object(o, "usage", &usage) != JSON_FOUND)
		return;
	output_count(usage, "input_tokens", &s->report.input_tokens);
	output_count(usage, "cached_input_tokens", &s->report.cached_tokens);
	output_count(usage, "output_tokens", &s->report.output_tokens);
	output_count(usage, "reasoning_output_tokens",
	    &s->report.reasoning_tokens);
}

static void
take_failure(struct output_state *s, struct json_object *o)
{
	const char *text;
	size_t len;

	text = output_text(o, "message", &len);
	output_copy(s, s->report.reason, sizeof(s->report.reason), text, len);
}

bool
output_codex_line(struct output_state *s, struct json_object *o,
    const char *line, size_t line_len)
{
	struct json_object *error;
	const char *type, *text;
	size_t len;

	(void)line;
	(void)line_len;
	type = output_text(o, "type", &len);
	if (strcmp(type, "item.completed") == 0) {
		take_item(s, o);
		return true;
	}
	if (strcmp(type, "turn.completed") == 0) {
		take_completed(s, o);
		s->report.reason[0] = '\0'; /* it got over its retries */
		return true;
	}
	if (strcmp(type, "turn.failed") == 0) {
		s->finished = s->failed = true;
		if (json_get_object(o, "error", &error) == JSON_FOUND)
			take_failure(s, error);
		return true;
	}
	if (strcmp(type, "error") == 0) {
		take_failure(s, o);
		return true;
	}
	if (strcmp(type, "thread.started") == 0) {
		text = output_text(o, "thread_id", &len);
		output_copy(s, s->report.session, sizeof(s->report.session),
		    text, len);
		return true;
	}
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]);
	     i++) {
		if (strcmp(type, passed_over[i]) == 0)
			return true;
	}
	return false;
}
