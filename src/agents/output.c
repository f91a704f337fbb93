#include "agents/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/output_impl.h"
#include "util/utf8.h"

#define LINE_KEPT ((size_t)16 * 1024) /* memory kept between two lines */
#define EVENT_MAX ((size_t)256 * 1024)
#define REPAIRED_MAX (6 * AGENT_LINE_MAX)

struct agent_output {
	struct output_state state;
	struct buf line;              /* of JSON: what has no newline yet */
	bool too_long;                /* passing over the rest of a line */
	struct redact_stream *stream; /* before loose; may be NULL */
	struct buf piece;             /* what came out of it; reused */
	struct buf loose;             /* text that is no known line */
};

void
agent_report_clear(struct agent_report *r)
{
	free(r->words);
	*r = (struct agent_report){ 0 };
}

int
agent_output_open(struct agent_output **out,
    const struct agent_output_spec *spec, struct err *e)
{
	struct agent_output *o;

	*out = NULL;
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (spec->redact != NULL &&
	    redact_stream_new(&o->stream, spec->redact, e) == -1) {
		free(o);
		return -1;
	}
	o->line.max = AGENT_LINE_MAX;
	o->piece.max = PIECE_MAX;
	/* Twice as much as is kept, so that the front is cut rarely. */
	o->loose.max = 2 * AGENT_WORDS_MAX;
	o->state.spec = *spec;
	o->state.words.max = AGENT_WORDS_MAX;
	o->state.event.max = EVENT_MAX;
	o->state.report.cost_micro_usd = -1;
	*out = o;
	return 0;
}

void
agent_output_close(struct agent_output *o)
{
	if (o == NULL)
		return;
	redact_stream_free(o->stream);
	buf_clear(&o->line);
	buf_clear(&o->piece);
	buf_clear(&o->loose);
	buf_clear(&o->state.words);
	buf_clear(&o->state.event);
	agent_report_clear(&o->state.report);
	free(o);
}

bool
agent_output_finished(const struct agent_output *o)
{
	return o->state.finished;
}

/* Appends text of which only the last part matters. */
static void
keep_loose(struct agent_output *o, const char *text, size_t len)
{
	if (len > AGENT_WORDS_MAX) {
		text += len - AGENT_WORDS_MAX;
		len = AGENT_WORDS_MAX;
	}
	if (o->loose.len + len > o->loose.max)
		buf_drop(&o->loose, o->loose.len + len - AGENT_WORDS_MAX);
	buf_add(&o->loose, text, len);
}

/* The same, through the redactor. */
static void
add_loose(struct agent_output *o, const char *text, size_t len)
{
	if (o->stream == NULL) {
		keep_loose(o, text, len);
		return;
	}
	redact_feed(o->stream, &o->piece, text, len);
	if (o->piece.len > 0)
		keep_loose(o, o->piece.data, o->piece.len);
	o->loose.failed = o->loose.failed || !buf_ok(&o->piece);
	buf_reset(&o->piece);
}

static void
end_loose(struct agent_output *o)
{
	if (o->stream == NULL)
		return;
	redact_flush(o->stream, &o->piece);
	if (o->piece.len > 0)
		keep_loose(o, o->piece.data, o->piece.len);
	o->loose.failed = o->loose.failed || !buf_ok(&o->piece);
	buf_reset(&o->piece);
}

/* The line that is held as JSON, NULL when it is none. */
static struct json_object *
read_line(const struct agent_output *o)
{
	struct buf repaired = BUF(REPAIRED_MAX);
	struct json_object *json = NULL;
	struct err ignored = { 0 };

	if (o->line.len == 0 || o->line.data[0] != '{')
		return NULL;
	if (json_read(&json, o->line.data, o->line.len, &ignored) == 0)
		return json;
	output_repair(&repaired, o->line.data, o->line.len);
	if (!buf_ok(&repaired) || repaired.len == 0 ||
	    json_read(&json, repaired.data, repaired.len, &ignored) == -1)
		json = NULL;
	buf_clear(&repaired);
	return json;
}

static int
take_line(struct agent_output *o, bool nl, struct err *e)
{
	static const char long_line[] =
	    "(A line of the agent's output was too long to be read.)";
	struct json_object *json;
	int known;

	if (o->too_long)
		return output_say(&o->state, EVENT_NOTICE, long_line,
		    sizeof(long_line) - 1, false, e);
	json = read_line(o);
	known = json == NULL ? 0 : output_line(&o->state, json, e);
	json_free(json);
	if (known != 0)
		return known == -1 ? -1 : 0;
	add_loose(o, o->line.len == 0 ? "" : o->line.data, o->line.len);
	if (nl)
		add_loose(o, "\n", 1);
	if (o->line.len == 0)
		return 0;
	return output_say(&o->state, EVENT_TEXT, o->line.data, o->line.len,
	    true, e);
}

/* Takes the line that is held; nl: it had a newline. */
static int
end_line(struct agent_output *o, bool nl, struct err *e)
{
	int rc = take_line(o, nl, e);

	o->too_long = false;
	if (o->line.cap > LINE_KEPT)
		buf_clear(&o->line);
	else
		buf_reset(&o->line);
	return rc;
}

int
agent_output_feed(struct agent_output *o, const char *bytes, size_t len,
    struct err *e)
{
	if (o->state.spec.rules == NULL) {
		add_loose(o, bytes, len);
		len = 0;
	}
	while (len > 0) {
		const char *nl = memchr(bytes, '\n', len);
		size_t n = nl == NULL ? len : (size_t)(nl - bytes);

		if (!o->too_long && o->line.len + n > AGENT_LINE_MAX) {
			o->too_long = true;
			buf_clear(&o->line);
		}
		if (!o->too_long)
			buf_add(&o->line, bytes, n);
		if (nl != NULL && end_line(o, true, e) == -1)
			return -1;
		n += nl != NULL;
		bytes += n;
		len -= n;
	}
	if (!buf_ok(&o->line) || !buf_ok(&o->loose) || !buf_ok(&o->state.words))
		return err_set(e, ERR_RETRY, "out of memory for output");
	return 0;
}

/* The words as clean text without white space at the end. */
static char *
make_words(const struct buf *from)
{
	struct buf clean = BUF(AGENT_WORDS_MAX * 3 + 8);
	size_t len = from->len, skip = 0;
	const char *text = from->data;

	if (len > AGENT_WORDS_MAX)
		skip = len - AGENT_WORDS_MAX;
	/* Not in the middle of a character. */
	while (skip > 0 && skip < len && (text[skip] & 0xc0) == 0x80)
		skip++;
	while (len > skip && strchr(" \t\r\n", text[len - 1]) != NULL &&
	    text[len - 1] != '\0')
		len--;
	if (len > skip)
		utf8_clean(&clean, text + skip, len - skip);
	if (!buf_ok(&clean)) {
		buf_clear(&clean);
		return NULL;
	}
	return clean.data != NULL ? clean.data : strdup("");
}

int
agent_output_end(struct agent_output *o, int exit_code, struct agent_report *r,
    struct err *e)
{
	const struct output_state *s = &o->state;
	bool text = s->spec.rules == NULL;
	char *words;

	if (!text && (o->line.len > 0 || o->too_long) &&
	    end_line(o, false, e) == -1)
		return -1;
	end_loose(o);
	if (!buf_ok(&o->loose) || !buf_ok(&s->words))
		return err_set(e, ERR_RETRY, "out of memory for output");
	words = make_words(s->words.len > 0 ? &s->words : &o->loose);
	if (words == NULL)
		return err_set(e, ERR_RETRY, "out of memory for output");
	*r = s->report;
	r->words = words;
	r->success = exit_code == 0 && (text || (s->finished && !s->failed));
	r->failure =
	    agent_rules_failure(s->spec.rules, s->code, s->status, r->reason);
	return 0;
}

struct buf
output_redacted(const struct output_state *s, const char *text, size_t len)
{
	struct buf out = BUF(PIECE_MAX);

	if (s->spec.redact == NULL)
		buf_add(&out, text, len);
	else
		redact_text(s->spec.redact, &out, text, len);
	return out;
}

void
output_words(struct output_state *s, const char *text, size_t len)
{
	struct buf clean = output_redacted(s, text, len);
	size_t skip =
	    clean.len > AGENT_WORDS_MAX ? clean.len - AGENT_WORDS_MAX : 0;

	buf_reset(&s->words);
	if (clean.len > 0)
		buf_add(&s->words, clean.data + skip, clean.len - skip);
	s->words.failed = s->words.failed || !buf_ok(&clean);
	buf_clear(&clean);
}
