#ifndef AGENTS_RULES_IMPL_H
#define AGENTS_RULES_IMPL_H

#include "agents/rules.h"
#include "util/json.h"

/* The document as it was read; rules_check.c has found it good. */
struct agent_rules {
	struct json_object *doc;
	struct json_object *rules, *ignore, *failures; /* in it; or NULL */
};

enum agent_event {
	EVENT_SESSION,
	EVENT_TEXT,
	EVENT_REASONING,
	EVENT_TOOL_START,
	EVENT_TOOL_END,
	EVENT_FILE_CHANGE,
	EVENT_RETRY,
	EVENT_NOTICE,
	EVENT_USAGE,
	EVENT_FAILURE,
	EVENT_RESULT,
	EVENT_N
};

extern const char *const agent_event_names[EVENT_N];

/* EVENT_N: there is none of that name. */
enum agent_event agent_event_of(const char *name);

enum agent_field {
	FIELD_SESSION,
	FIELD_MODEL,
	FIELD_VERSION,
	FIELD_TEXT,
	FIELD_ID,
	FIELD_TOOL,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_FAILED,
	FIELD_EXIT_CODE,
	FIELD_PATH,
	FIELD_CHANGE,
	FIELD_ATTEMPT,
	FIELD_ATTEMPTS,
	FIELD_WAIT_MS,
	FIELD_STATUS,
	FIELD_CODE,
	FIELD_INPUT_TOKENS,
	FIELD_CACHED_TOKENS,
	FIELD_OUTPUT_TOKENS,
	FIELD_REASONING_TOKENS,
	FIELD_TURNS,
	FIELD_COST_USD,
	FIELD_OK,
	FIELD_N
};

enum field_kind {
	KIND_WORD, /* one line, short */
	KIND_TEXT,
	KIND_NUMBER,
	KIND_FLAG,
	KIND_MONEY /* dollars there, millionths of them in the event */
};

struct field_spec {
	const char *name;  /* in the rules */
	const char *shown; /* in the event; NULL: the same */
	enum field_kind kind;
};

extern const struct field_spec agent_fields[FIELD_N];

/* True if every condition holds of o. conditions NULL: there is none. */
bool rules_hold(struct json_object *conditions, struct json_object *o);

/* What the rule says about a field, looked up in at; NULL: nothing. */
struct json_object *rules_value(struct json_object *rule,
    enum agent_field field, struct json_object *at);

/* ERR_INVALID says what is wrong. */
int rules_check(struct agent_rules *r, struct err *e) MUST_CHECK;

#endif
