#include "cmd/task_event.h"

#include <stdio.h>
#include <string.h>

#include "cmd/client.h"

#define OUTPUT_SHOWN 400 /* bytes of what a tool printed */

static const char *
text_of(struct json_object *data, const char *name, size_t *len)
{
	const char *s;

	if (data != NULL && json_get_string(data, name, &s, len) == JSON_FOUND)
		return s;
	*len = 0;
	return "";
}

/* A quoted piece of text, ended by a newline if it has none. */
static void
print_text(struct json_object *data)
{
	size_t len;
	const char *text = text_of(data, "text", &len);

	client_print(text, len);
	if (len == 0 || text[len - 1] != '\n')
		(void)putchar('\n');
}

static void
print_step(struct json_object *data)
{
	size_t len, detail_len;
	const char *detail = text_of(data, "detail", &detail_len);

	(void)printf("%-8s %s", text_of(data, "step", &len),
	    text_of(data, "state", &len));
	if (detail_len > 0) {
		(void)printf(": ");
		client_print(detail, detail_len);
	}
	(void)putchar('\n');
}

static void
print_why(const char *kind, struct json_object *data)
{
	size_t len;
	const char *text = text_of(data, "status", &len);

	if (len == 0)
		text = text_of(data, "why", &len);
	(void)printf("%s", kind);
	if (len > 0) {
		(void)printf(": ");
		client_print(text, len);
	}
	(void)putchar('\n');
}

/* Members of an event, in this order, with blanks between. */
static void
print_members(struct json_object *data, const char *const *names)
{
	const char *s;
	int64_t n;
	size_t len;

	for (; *names != NULL; names++) {
		if (json_get_string(data, *names, &s, &len) == JSON_FOUND) {
			(void)putchar(' ');
			client_print(s, len);
		} else if (json_get_int(data, *names, &n) == JSON_FOUND) {
			(void)printf(" %s=%lld", *names, (long long)n);
		}
	}
	(void)putchar('\n');
}

/* The first lines of what a tool printed. */
static void
print_tool_end(struct json_object *data)
{
	bool failed = false;
	size_t len;
	const char *text = text_of(data, "output", &len);

	(void)json_get_bool(data, "failed", &failed);
	(void)printf(failed ? "  failed: " : "  = ");
	client_print(text, len < OUTPUT_SHOWN ? len : OUTPUT_SHOWN);
	(void)puts(len > OUTPUT_SHOWN ? " ..." : "");
}

static void
print_result(struct json_object *data)
{
	bool ok = false;

	(void)json_get_bool(data, "ok", &ok);
	(void)printf("result: %s", ok ? "ok" : "failed");
	if (ok || json_member_falsy(data, "text")) {
		(void)putchar('\n');
		return;
	}
	(void)printf(": ");
	print_text(data);
}

/* What each type of an agent's event shows of itself. */
static const struct {
	const char *type, *before;
	const char *const names[8];
} agent_lines[] = {
	{ "start", "agent:", { "title", "model", NULL } },
	{ "session", "session:", { "session", "model", "version", NULL } },
	{ "tool_start", "  >", { "tool", "input", NULL } },
	{ "file_change", "  changed", { "path", "change", NULL } },
	{ "retry", "retry:",
	    { "attempt", "attempts", "status", "code", "text", NULL } },
	{ "failure", "failure:", { "code", "text", NULL } },
	{ "usage", "usage:",
	    { "turns", "input_tokens", "cached_tokens", "output_tokens",
		"reasoning_tokens", "cost_micro_usd", NULL } },
};

static void
print_agent(struct task_view *v, struct json_object *data)
{
	size_t len, i = 0, n = sizeof(agent_lines) / sizeof(agent_lines[0]);
	const char *type = text_of(data, "type", &len);

	if (strcmp(type, "start") == 0)
		v->in_json =
		    strcmp(text_of(data, "output", &len), "json-lines") == 0;
	while (i < n && strcmp(agent_lines[i].type, type) != 0)
		i++;
	if (i < n) {
		(void)printf("%s", agent_lines[i].before);
		print_members(data, agent_lines[i].names);
	} else if (strcmp(type, "tool_end") == 0) {
		print_tool_end(data);
	} else if (strcmp(type, "result") == 0) {
		print_result(data);
	} else {
		if (strcmp(type, "text") != 0)
			(void)printf("%s: ", type);
		print_text(data);
	}
}

/* True for the raw form of what other events say. */
static bool
is_hidden(const struct task_view *v, const char *kind, struct json_object *data)
{
	size_t len;

	return v->in_json && !v->raw && strcmp(kind, "output") == 0 &&
	    strcmp(text_of(data, "stream", &len), "stdout") == 0;
}

void
task_event_print(struct task_view *v, struct json_object *event)
{
	struct json_object *data = NULL;
	size_t len, at_len;
	const char *kind = text_of(event, "kind", &len);
	const char *at = text_of(event, "created_at", &at_len);

	(void)json_get_object(event, "data", &data);
	if (strcmp(kind, "step") == 0)
		v->in_json = false;
	if (data != NULL && is_hidden(v, kind, data))
		return;
	/* "2026-11-23T10:11:12..." shows its time of day. */
	(void)printf("%.8s  ", at_len >= 19 ? at + 11 : at);
	if (strcmp(kind, "step") == 0)
		print_step(data);
	else if (strcmp(kind, "output") == 0)
		print_text(data);
	else if (strcmp(kind, "agent") == 0)
		print_agent(v, data);
	else if (data != NULL && !json_member_falsy(data, "text")) {
		(void)printf("%s: ", kind);
		print_text(data);
	} else
		print_why(kind, data);
	(void)fflush(stdout);
}
