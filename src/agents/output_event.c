/* From a line to events, and to what the report says. */
#include <stdio.h>
#include <string.h>

#include "agents/output_impl.h"
#include "util/utf8.h"

#define LATE_MAX 100 /* results and usages when there is room no more */
#define JSON_MAX ((size_t)8 * 1024 * 1024)
#define COUNT_MAX 9007199254740992.0 /* 2^53 */
#define MICRO 1e6
#define COST_MAX 1e6 /* dollars */

/* A rule that fits a place of a line. */
struct fit {
	struct json_object *rule;
	struct json_object *at;
	enum agent_event type;
	bool ok; /* of a result */
};

/* Copies at most size - 1 bytes, whole characters, in one line. */
static void
copy_line(char *out, size_t size, const struct buf *clean)
{
	size_t n =
	    clean->len < size ? clean->len : utf8_whole(clean->data, size - 1);

	if (n > 0)
		memcpy(out, clean->data, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)out[i] < 0x20)
			out[i] = ' ';
	}
}

/*
 * A value as text: a string is itself, the texts of an array of parts are put
 * together, anything else is JSON.
 */
static void
value_text(struct buf *out, struct json_object *value)
{
	struct json_out j;
	const char *s;
	size_t len;

	if (json_as_string(value, &s, &len)) {
		buf_add(out, s, len);
		return;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		struct json_object *part = json_array_item(value, i);

		if (json_get_string(part, "text", &s, &len) != JSON_FOUND)
			continue;
		if (out->len > 0)
			buf_putc(out, '\n');
		buf_add(out, s, len);
	}
	if (out->len > 0)
		return;
	json_start(&j, out);
	json_value(&j, value);
}

/* Sends what stands in s->event, or drops it. */
static int
send_event(struct output_state *s, enum agent_event type, struct err *e)
{
	static const char full[] =
	    "{\"type\":\"notice\",\"text\":\"There are too many events: the "
	    "rest is not kept.\"}";
	bool late = s->full;

	if (!buf_ok(&s->event))
		return err_set(e, ERR_RETRY, "out of memory for an event");
	if (s->spec.event == NULL)
		return 0;
	if (!s->full &&
	    (s->events >= AGENT_EVENTS_MAX ||
		s->bytes + s->event.len > s->spec.max_bytes)) {
		s->full = late = true;
		s->events = 0;
		if (s->spec.event(s->spec.ctx, full, sizeof(full) - 1, e) == -1)
			return -1;
	}
	if (late &&
	    (s->events >= LATE_MAX ||
		(type != EVENT_RESULT && type != EVENT_USAGE)))
		return 0;
	s->events++;
	s->bytes += s->event.len;
	return s->spec.event(s->spec.ctx, s->event.data, s->event.len, e);
}

static void
begin_event(struct output_state *s, struct json_out *j, enum agent_event type)
{
	buf_reset(&s->event);
	json_start(j, &s->event);
	json_open(j);
	json_name_text(j, "type", agent_event_names[type]);
}

/* Writes redacted text, cut to most bytes. True: it was longer. */
static bool
put_text(struct json_out *j, const char *name, const struct buf *text,
    size_t most)
{
	struct buf valid = BUF(3 * AGENT_TEXT_MAX + 16);
	size_t n = text->len;

	if (n > most)
		n = utf8_whole(text->data, most);
	if (n > 0)
		utf8_clean(&valid, text->data, n);
	json_name_string(j, name, valid.len == 0 ? "" : valid.data, valid.len);
	buf_clear(&valid);
	return n < text->len;
}

int
output_say(struct output_state *s, enum agent_event type, const char *text,
    size_t len, bool raw, struct err *e)
{
	struct buf clean = output_redacted(s, text, len);
	struct json_out j;
	bool cut;

	begin_event(s, &j, type);
	cut = put_text(&j, "text", &clean, AGENT_TEXT_MAX);
	if (raw)
		json_name_bool(&j, "raw", true);
	if (cut)
		json_name_bool(&j, "cut", true);
	json_close(&j);
	s->event.failed = s->event.failed || !buf_ok(&clean);
	buf_clear(&clean);
	return send_event(s, type, e);
}

/* The part of a path below root. */
static void
shorten(const struct output_state *s, struct buf *path)
{
	size_t n = s->spec.root == NULL ? 0 : strlen(s->spec.root);

	if (n > 0 && path->len > n + 1 && path->data[n] == '/' &&
	    memcmp(path->data, s->spec.root, n) == 0)
		buf_drop(path, n + 1);
}

/* What a text changes in the report. */
static void
note_text(struct output_state *s, const struct fit *f, enum agent_field field,
    const struct buf *text)
{
	struct agent_report *r = &s->report;

	switch (field) {
	case FIELD_SESSION:
		copy_line(r->session, sizeof(r->session), text);
		break;
	case FIELD_MODEL:
		copy_line(r->model, sizeof(r->model), text);
		break;
	case FIELD_VERSION:
		copy_line(r->version, sizeof(r->version), text);
		break;
	case FIELD_CODE:
		copy_line(s->code, sizeof(s->code), text);
		break;
	case FIELD_TEXT:
		/* The last message may be the last word. */
		if (f->type == EVENT_TEXT || (f->type == EVENT_RESULT && f->ok))
			output_words(s, text->data, text->len);
		if (f->type == EVENT_RETRY || f->type == EVENT_FAILURE ||
		    f->type == EVENT_RESULT)
			copy_line(r->reason, sizeof(r->reason), text);
		break;
	default:
		break;
	}
}

/* True if the rule says that this number is to be added to those before. */
static bool
adds(const struct fit *f, enum agent_field field)
{
	struct json_object *names = json_member(f->rule, "add");
	const char *name;

	for (size_t i = 0; i < json_array_size(names); i++) {
		name = json_array_string(names, i);
		if (strcmp(name, agent_fields[field].name) == 0)
			return true;
	}
	return false;
}

/* What a number changes in it. */
static void
note_number(struct output_state *s, const struct fit *f, enum agent_field field,
    int64_t n)
{
	struct agent_report *r = &s->report;
	int64_t *to = NULL;

	switch (field) {
	case FIELD_INPUT_TOKENS:
		to = &r->input_tokens;
		break;
	case FIELD_CACHED_TOKENS:
		to = &r->cached_tokens;
		break;
	case FIELD_OUTPUT_TOKENS:
		to = &r->output_tokens;
		break;
	case FIELD_REASONING_TOKENS:
		to = &r->reasoning_tokens;
		break;
	case FIELD_TURNS:
		to = &r->turns;
		break;
	case FIELD_COST_USD:
		to = &r->cost_micro_usd;
		break;
	case FIELD_STATUS:
		s->status = n < 1000 ? (int)n : 0;
		return;
	default:
		return;
	}
	/* Far from where a sum could overflow. */
	if (adds(f, field) && *to > 0 && *to < (int64_t)COUNT_MAX)
		n += *to;
	*to = n;
}

/* A number that makes sense, in the unit that is shown. */
static bool
read_number(struct json_object *value, enum field_kind kind, int64_t *n)
{
	double d;

	if (!json_as_number(value, &d) || !(d >= 0))
		return false;
	if (kind == KIND_MONEY) {
		if (d > COST_MAX)
			return false;
		d *= MICRO;
	}
	if (!(d < COUNT_MAX))
		return false;
	*n = (int64_t)(d + 0.5);
	return true;
}

/* Writes one field. Returns how many were: 0 or 1; *cut: it was longer. */
static int
put_field(struct output_state *s, const struct fit *f, enum agent_field field,
    struct json_out *j, bool *cut)
{
	const struct field_spec *spec = &agent_fields[field];
	const char *name = spec->shown != NULL ? spec->shown : spec->name;
	struct json_object *value = rules_value(f->rule, field, f->at);
	struct buf text = BUF(JSON_MAX), clean;
	int64_t n;
	bool b;

	if (value == NULL)
		return 0;
	if (spec->kind == KIND_FLAG) {
		if (json_as_bool(value, &b))
			json_name_bool(j, name, b);
		return json_as_bool(value, &b) ? 1 : 0;
	}
	if (spec->kind == KIND_NUMBER || spec->kind == KIND_MONEY) {
		if (!read_number(value, spec->kind, &n))
			return 0;
		json_name_int(j, name, n);
		note_number(s, f, field, n);
		return 1;
	}
	value_text(&text, value);
	clean = output_redacted(s, text.len == 0 ? "" : text.data, text.len);
	if (field == FIELD_PATH)
		shorten(s, &clean);
	if (put_text(j, name, &clean,
		spec->kind == KIND_WORD ? AGENT_WORD_MAX : AGENT_TEXT_MAX))
		*cut = true;
	note_text(s, f, field, &clean);
	s->event.failed = s->event.failed || !buf_ok(&text) || !buf_ok(&clean);
	buf_clear(&text);
	buf_clear(&clean);
	return 1;
}

/* What an event means for the run, besides its fields. */
static void
note_event(struct output_state *s, const struct fit *f)
{
	switch (f->type) {
	case EVENT_TEXT:
	case EVENT_REASONING:
	case EVENT_TOOL_START:
	case EVENT_TOOL_END:
		/* It goes on: what failed before is over. */
		s->status = 0;
		s->code[0] = '\0';
		break;
	case EVENT_RESULT:
		s->finished = true;
		s->failed = !f->ok;
		if (f->ok)
			s->report.reason[0] = '\0';
		break;
	default:
		break;
	}
}

/* The part of a report that a session event is about. */
static bool
knows_more(const struct agent_report *now, const struct agent_report *before)
{
	return strcmp(now->session, before->session) != 0 ||
	    strcmp(now->model, before->model) != 0 ||
	    strcmp(now->version, before->version) != 0;
}

static int
apply(struct output_state *s, struct fit *f, struct err *e)
{
	struct agent_report before = s->report;
	struct json_out j;
	bool cut = false;
	int fields = 0;

	(void)json_as_bool(rules_value(f->rule, FIELD_OK, f->at), &f->ok);
	begin_event(s, &j, f->type);
	for (unsigned int i = 0; i < FIELD_N; i++)
		fields += put_field(s, f, (enum agent_field)i, &j, &cut);
	if (cut)
		json_name_bool(&j, "cut", true);
	json_close(&j);
	/* A session is told on many lines, and a failure is often none. */
	if (fields == 0 && f->type != EVENT_RESULT)
		return 0;
	note_event(s, f);
	if (f->type == EVENT_SESSION && !knows_more(&s->report, &before))
		return 0;
	return send_event(s, f->type, e);
}

/* One rule on one line: 1 when it fitted. */
static int
apply_rule(struct output_state *s, struct json_object *rule,
    struct json_object *line, struct err *e)
{
	struct fit f = { .rule = rule, .at = line };
	struct json_object *list;
	const char *text = "";
	size_t len;
	int fitted = 0;

	if (!rules_hold(json_member(rule, "line"), line))
		return 0;
	(void)json_get_string(rule, "event", &text, &len);
	f.type = agent_event_of(text);
	if (!json_has(rule, "each"))
		return apply(s, &f, e) == -1 ? -1 : 1;
	(void)json_get_string(rule, "each", &text, &len);
	list = json_at(line, text);
	for (size_t i = 0; i < json_array_size(list); i++) {
		f.at = json_array_item(list, i);
		if (!json_is_object(f.at) ||
		    !rules_hold(json_member(rule, "item"), f.at))
			continue;
		if (apply(s, &f, e) == -1)
			return -1;
		fitted = 1;
	}
	return fitted;
}

int
output_line(struct output_state *s, struct json_object *line, struct err *e)
{
	const struct agent_rules *r = s->spec.rules;
	int known = 0;

	for (size_t i = 0; i < json_array_size(r->rules); i++) {
		struct json_object *rule = json_array_item(r->rules, i);
		bool last = false;
		int fitted = apply_rule(s, rule, line, e);

		if (fitted == -1)
			return -1;
		known = known || fitted;
		(void)json_get_bool(rule, "last", &last);
		if (fitted == 1 && last)
			return 1;
	}
	for (size_t i = 0; known == 0 && i < json_array_size(r->ignore); i++)
		known = rules_hold(json_array_item(r->ignore, i), line);
	return known;
}
