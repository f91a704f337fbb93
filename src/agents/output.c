#include "agents/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/output_impl.h"
#include "util/utf8.h"

#define LINE_KEPT ((size_t)16 * 1024) /* memory kept between two lines */
#define PIECE_MAX ((size_t)16 * 1024 * 1024)

/* clang-format off */
static const struct {
	const char *name;
	output_line *line; /* NULL: all is text */
} kinds[] = {
	{ "text",               NULL },
	{ "claude-stream-json", output_claude_line },
	{ "codex-json",         output_codex_line },
};
/* clang-format on */

#define KIND_N (sizeof(kinds) / sizeof(kinds[0]))

struct agent_output {
	output_line *take;
	struct output_state state;
	struct buf line;              /* of JSON: what has no newline yet */
	bool too_long;                /* passing over the rest of a line */
	struct redact_stream *stream; /* before loose; may be NULL */
	struct buf piece;             /* what came out of it; reused */
	struct buf loose;             /* text that is no known line */
};

bool
agent_output_known(const char *output)
{
	for (size_t i = 0; i < KIND_N; i++) {
		if (strcmp(kinds[i].name, output) == 0)
			return true;
	}
	return false;
}

void
agent_report_clear(struct agent_report *r)
{
	free(r->words);
	*r = (struct agent_report){ 0 };
}

int
agent_output_open(struct agent_output **out, const char *output, struct err *e)
{
	struct agent_output *o;
	size_t i = 0;

	*out = NULL;
	while (i < KIND_N && strcmp(kinds[i].name, output) != 0)
		i++;
	if (i == KIND_N)
		return err_set(e, ERR_INVALID, "no such kind of output");
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	o->take = kinds[i].line;
	o->line.max = AGENT_LINE_MAX;
	/* Twice as much as is kept, so that the front is cut rarely. */
	o->loose.max = 2 * AGENT_WORDS_MAX;
	o->state.words.max = AGENT_WORDS_MAX;
	o->state.report.cost_micro_usd = -1;
	*out = o;
	return 0;
}

int
agent_output_redact(struct agent_output *o, const struct redact *r,
    struct err *e)
{
	o->piece.max = PIECE_MAX;
	o->state.redact = r;
	return redact_stream_new(&o->stream, r, e);
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
	agent_report_clear(&o->state.report);
	free(o);
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

/* Takes the line that is held; nl: it had a newline. */
static void
end_line(struct agent_output *o, bool nl)
{
	struct json_object *json = NULL;
	struct err ignored = { 0 };
	bool known = o->too_long;

	if (!known && o->line.len > 0 && o->line.data[0] == '{' &&
	    json_read(&json, o->line.data, o->line.len, &ignored) == 0)
		known = o->take(&o->state, json, o->line.data, o->line.len);
	json_free(json);
	if (!known && o->line.len > 0)
		add_loose(o, o->line.data, o->line.len);
	if (!known && nl)
		add_loose(o, "\n", 1);
	o->too_long = false;
	if (o->line.cap > LINE_KEPT)
		buf_clear(&o->line);
	else
		buf_reset(&o->line);
}

int
agent_output_feed(struct agent_output *o, const char *bytes, size_t len,
    struct err *e)
{
	if (o->take == NULL) {
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
		if (nl != NULL)
			end_line(o, true);
		n += nl != NULL;
		bytes += n;
		len -= n;
	}
	if (!buf_ok(&o->line) || !buf_ok(&o->loose))
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
	char *words;

	if (o->take != NULL && (o->line.len > 0 || o->too_long))
		end_line(o, false);
	end_loose(o);
	if (!buf_ok(&o->loose) || !buf_ok(&s->words))
		return err_set(e, ERR_RETRY, "out of memory for output");
	words = make_words(s->words.len > 0 ? &s->words : &o->loose);
	if (words == NULL)
		return err_set(e, ERR_RETRY, "out of memory for output");
	*r = s->report;
	r->words = words;
	r->success =
	    exit_code == 0 && (o->take == NULL || (s->finished && !s->failed));
	return 0;
}

/* The whole text without its secrets; before it is cut, never after. */
static struct buf
redacted(const struct output_state *s, const char *text, size_t len)
{
	struct buf out = BUF(PIECE_MAX);

	if (s->redact == NULL)
		buf_add(&out, text, len);
	else
		redact_text(s->redact, &out, text, len);
	return out;
}

void
output_words(struct output_state *s, const char *text, size_t len)
{
	struct buf clean = redacted(s, text, len);
	size_t skip =
	    clean.len > AGENT_WORDS_MAX ? clean.len - AGENT_WORDS_MAX : 0;

	buf_reset(&s->words);
	if (clean.len > 0)
		buf_add(&s->words, clean.data + skip, clean.len - skip);
	s->words.failed = s->words.failed || !buf_ok(&clean);
	buf_clear(&clean);
}

const char *
output_text(struct json_object *o, const char *name, size_t *len)
{
	const char *s;

	if (json_get_string(o, name, &s, len) != JSON_FOUND) {
		*len = 0;
		return "";
	}
	return s;
}

void
output_count(struct json_object *o, const char *name, int64_t *n)
{
	int64_t value;

	if (json_get_int(o, name, &value) == JSON_FOUND && value >= 0)
		*n = value;
}

void
output_copy(const struct output_state *s, char *out, size_t size,
    const char *text, size_t len)
{
	struct buf clean = redacted(s, text, len);
	size_t n =
	    clean.len < size ? clean.len : utf8_whole(clean.data, size - 1);

	if (n > 0)
		memcpy(out, clean.data, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)out[i] < 0x20)
			out[i] = ' ';
	}
	buf_clear(&clean);
}
