#include "agents/rules.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rules_impl.h"
#include "util/file.h"

const char *const agent_event_names[EVENT_N] = {
	[EVENT_SESSION] = "session",
	[EVENT_TEXT] = "text",
	[EVENT_REASONING] = "reasoning",
	[EVENT_TOOL_START] = "tool_start",
	[EVENT_TOOL_END] = "tool_end",
	[EVENT_FILE_CHANGE] = "file_change",
	[EVENT_RETRY] = "retry",
	[EVENT_NOTICE] = "notice",
	[EVENT_USAGE] = "usage",
	[EVENT_FAILURE] = "failure",
	[EVENT_RESULT] = "result",
};

/* clang-format off */
const struct field_spec agent_fields[FIELD_N] = {
	[FIELD_SESSION]          = { "session", NULL, KIND_WORD },
	[FIELD_MODEL]            = { "model", NULL, KIND_WORD },
	[FIELD_VERSION]          = { "version", NULL, KIND_WORD },
	[FIELD_TEXT]             = { "text", NULL, KIND_TEXT },
	[FIELD_ID]               = { "id", NULL, KIND_WORD },
	[FIELD_TOOL]             = { "tool", NULL, KIND_WORD },
	[FIELD_INPUT]            = { "input", NULL, KIND_TEXT },
	[FIELD_OUTPUT]           = { "output", NULL, KIND_TEXT },
	[FIELD_FAILED]           = { "failed", NULL, KIND_FLAG },
	[FIELD_EXIT_CODE]        = { "exit_code", NULL, KIND_NUMBER },
	[FIELD_PATH]             = { "path", NULL, KIND_WORD },
	[FIELD_CHANGE]           = { "change", NULL, KIND_WORD },
	[FIELD_ATTEMPT]          = { "attempt", NULL, KIND_NUMBER },
	[FIELD_ATTEMPTS]         = { "attempts", NULL, KIND_NUMBER },
	[FIELD_WAIT_MS]          = { "wait_ms", NULL, KIND_NUMBER },
	[FIELD_STATUS]           = { "status", NULL, KIND_NUMBER },
	[FIELD_CODE]             = { "code", NULL, KIND_WORD },
	[FIELD_INPUT_TOKENS]     = { "input_tokens", NULL, KIND_NUMBER },
	[FIELD_CACHED_TOKENS]    = { "cached_tokens", NULL, KIND_NUMBER },
	[FIELD_OUTPUT_TOKENS]    = { "output_tokens", NULL, KIND_NUMBER },
	[FIELD_REASONING_TOKENS] = { "reasoning_tokens", NULL, KIND_NUMBER },
	[FIELD_TURNS]            = { "turns", NULL, KIND_NUMBER },
	[FIELD_COST_USD]         = { "cost_usd", "cost_micro_usd", KIND_MONEY },
	[FIELD_OK]               = { "ok", NULL, KIND_FLAG },
};

/* What a status means whoever answers with it. */
static const struct {
	int status;
	const char *failure;
} statuses[] = {
	{ 401, "agent_key" },
	{ 402, "agent_quota" },
	{ 403, "agent_key" },
	{ 429, "agent_rate" },
	{ 500, "agent_rate" },
	{ 502, "agent_rate" },
	{ 503, "agent_rate" },
	{ 504, "agent_rate" },
	{ 529, "agent_rate" },
};

/* Those that a rule may name; their strings are handed out. */
static const char *const failures[] = { "agent_key", "agent_quota",
	"agent_rate", "agent_limit", "agent_failed" };
/* clang-format on */

enum agent_event
agent_event_of(const char *name)
{
	unsigned int i = 0;

	while (i < EVENT_N && strcmp(agent_event_names[i], name) != 0)
		i++;
	return (enum agent_event)i;
}

/* True if want is the value, or a list that has it. */
static bool
is_one_of(struct json_object *want, struct json_object *value)
{
	if (!json_is_array(want))
		return json_equal(want, value);
	for (size_t i = 0; i < json_array_size(want); i++) {
		if (json_equal(json_array_item(want, i), value))
			return true;
	}
	return false;
}

bool
rules_hold(struct json_object *conditions, struct json_object *o)
{
	const char *path;

	for (size_t i = 0; (path = json_member_name(conditions, i)) != NULL;
	     i++) {
		if (!is_one_of(json_member(conditions, path), json_at(o, path)))
			return false;
	}
	return true;
}

/* What a path leads to, "" being as good as nothing. */
static struct json_object *
follow(struct json_object *path, struct json_object *at)
{
	struct json_object *found;
	const char *s;
	size_t len;

	if (!json_as_string(path, &s, &len))
		return path; /* a number or a truth value is itself */
	found = json_at(at, s);
	return json_as_string(found, &s, &len) && len == 0 ? NULL : found;
}

struct json_object *
rules_value(struct json_object *rule, enum agent_field field,
    struct json_object *at)
{
	struct json_object *said = json_member(rule, agent_fields[field].name);
	struct json_object *found = NULL;

	if (said == NULL || !json_is_array(said))
		return said == NULL ? NULL : follow(said, at);
	for (size_t i = 0; found == NULL && i < json_array_size(said); i++)
		found = follow(json_array_item(said, i), at);
	return found;
}

static const char *
known_failure(struct json_object *row)
{
	const char *is = "";
	size_t len, i = 0, n = sizeof(failures) / sizeof(failures[0]);

	(void)json_get_string(row, "is", &is, &len);
	while (i < n - 1 && strcmp(failures[i], is) != 0)
		i++;
	return failures[i];
}

const char *
agent_rules_failure(const struct agent_rules *r, const char *code, int status,
    const char *reason)
{
	struct json_object *list = r == NULL ? NULL : r->failures;
	const char *s;
	size_t len;
	int64_t n;

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct json_object *row = json_array_item(list, i);

		if (json_get_string(row, "code", &s, &len) == JSON_FOUND &&
		    strcmp(s, code) == 0)
			return known_failure(row);
		if (json_get_int(row, "status", &n) == JSON_FOUND &&
		    n == status)
			return known_failure(row);
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return statuses[i].failure;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct json_object *row = json_array_item(list, i);

		if (json_get_string(row, "text", &s, &len) == JSON_FOUND &&
		    strstr(reason, s) != NULL)
			return known_failure(row);
	}
	return "agent_failed";
}

int
agent_rules_read(struct agent_rules **out, const char *path, struct err *e)
{
	struct buf text = BUF(AGENT_RULES_MAX);
	struct agent_rules *r = calloc(1, sizeof(*r));
	int rc = -1;

	*out = NULL;
	if (r == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (file_read(AT_FDCWD, path, &text, e) == -1)
		goto out;
	if (json_read(&r->doc, text.data == NULL ? "" : text.data, text.len,
		e) == -1 ||
	    rules_check(r, e) == -1) {
		(void)err_wrap(e, "%s", path);
		goto out;
	}
	*out = r;
	r = NULL;
	rc = 0;
out:
	agent_rules_free(r);
	buf_clear(&text);
	return rc;
}

void
agent_rules_free(struct agent_rules *r)
{
	if (r == NULL)
		return;
	json_free(r->doc);
	free(r);
}
