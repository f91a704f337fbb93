#include "spool/gate.h"

#include <string.h>

#include "util/utf8.h"

/* A redacted piece may be longer than the piece: "[redacted]" is. */
#define RAW_MAX (4 * GATE_PIECE)

int
gate_open(struct gate *g, const struct redact *redact, bool text, struct err *e)
{
	*g = (struct gate){ .raw = BUF(RAW_MAX), .text = text };
	return redact_stream_new(&g->stream, redact, e);
}

void
gate_close(struct gate *g)
{
	redact_stream_free(g->stream);
	g->stream = NULL;
	buf_clear(&g->raw);
}

/* Moves the first n redacted bytes to out. */
static int
pass(struct gate *g, struct buf *out, size_t n, struct err *e)
{
	if (!buf_ok(&g->raw)) {
		buf_reset(&g->raw);
		return err_set(e, ERR_RETRY, "out of memory for output");
	}
	if (n == 0)
		return 0;
	if (g->text)
		utf8_clean(out, g->raw.data, n);
	else
		buf_add(out, g->raw.data, n);
	buf_drop(&g->raw, n);
	if (!buf_ok(out))
		return err_set(e, ERR_RETRY, "out of memory for output");
	return 0;
}

int
gate_feed(struct gate *g, struct buf *out, const char *bytes, size_t len,
    struct err *e)
{
	size_t n;

	redact_feed(g->stream, &g->raw, bytes, len);
	n = g->raw.len;
	if (g->text && n > 0)
		n = utf8_whole(g->raw.data, n);
	return pass(g, out, n, e);
}

int
gate_end(struct gate *g, struct buf *out, struct err *e)
{
	redact_flush(g->stream, &g->raw);
	return pass(g, out, g->raw.len, e);
}

void
gate_text(const struct redact *redact, struct buf *out, const char *text,
    size_t max)
{
	size_t len = strlen(text);
	struct buf raw = BUF(0);

	/*
	 * Redact before the cut: a secret that lies across it would
	 * otherwise leave its first half behind.
	 */
	raw.max = len * 4 + 64;
	redact_text(redact, &raw, text, len);
	if (!buf_ok(&raw)) {
		out->failed = true;
	} else if (raw.len > 0) {
		len = raw.len;
		if (len > max)
			len = utf8_whole(raw.data, max);
		utf8_clean(out, raw.data, len);
	}
	buf_clear(&raw);
}
