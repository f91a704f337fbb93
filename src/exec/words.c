#include "exec/words.h"

#define CLEAN_MAX ((size_t)16 * 1024 * 1024)
#define PIECE ((size_t)64 * 1024)

int
words_open(struct words *w, const struct redact *r, struct buf *kept, bool last,
    struct err *e)
{
	*w = (struct words){ .clean = BUF(CLEAN_MAX),
		.kept = kept,
		.last = last };
	return redact_stream_new(&w->stream, r, e);
}

void
words_close(struct words *w)
{
	redact_stream_free(w->stream);
	buf_clear(&w->clean);
	*w = (struct words){ 0 };
}

/* Moves what is clean to what is kept. */
static void
keep(struct words *w)
{
	struct buf *kept = w->kept;
	const char *bytes = w->clean.data;
	size_t len = w->clean.len, room = kept->max - kept->len;

	if (!w->last && len > room) {
		len = room;
	} else if (w->last && len > kept->max) {
		bytes += len - kept->max;
		len = kept->max;
	}
	if (w->last && len > room && kept->len > 0)
		buf_drop(kept, len - room < kept->len ? len - room : kept->len);
	if (len > 0)
		buf_add(kept, bytes, len);
	kept->failed = kept->failed || !buf_ok(&w->clean);
	buf_reset(&w->clean);
}

void
words_add(struct words *w, const char *bytes, size_t len)
{
	while (len > 0) {
		size_t n = len < PIECE ? len : PIECE;

		redact_feed(w->stream, &w->clean, bytes, n);
		keep(w);
		bytes += n;
		len -= n;
	}
}

void
words_end(struct words *w)
{
	redact_flush(w->stream, &w->clean);
	keep(w);
}
