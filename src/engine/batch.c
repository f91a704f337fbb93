#include "engine/batch.h"

#include <string.h>

void
batch_init(struct batch *b)
{
	memset(b, 0, sizeof(*b));
	b->text.max = BATCH_BYTES + SPOOL_LINE_MAX;
}

void
batch_clear(struct batch *b)
{
	buf_clear(&b->text);
}

static void
take(struct batch *b, const struct spool_event *ev)
{
	struct event_new *row = &b->rows[b->count];

	memcpy(b->kinds[b->count], ev->kind, sizeof(b->kinds[0]));
	memcpy(b->times[b->count], ev->at, sizeof(b->times[0]));
	*row = (struct event_new){
		.spool_seq = ev->seq,
		.kind = b->kinds[b->count],
		.at = b->times[b->count],
		.data_len = ev->data_len,
	};
	buf_add(&b->text, ev->data, ev->data_len);
	b->count++;
}

/* The text has stopped moving: now the rows may point into it. */
static void
settle(struct batch *b)
{
	const char *at = b->text.data == NULL ? "" : b->text.data;

	for (size_t i = 0; i < b->count; i++) {
		b->rows[i].data = at;
		at += b->rows[i].data_len;
	}
}

int
batch_fill(struct batch *b, struct spool_reader *reader, size_t max_bytes,
    struct err *e)
{
	struct spool_event ev;
	int rc;

	buf_reset(&b->text);
	b->count = 0;
	while ((rc = spool_reader_next(reader, &ev, e)) == 1) {
		if (b->count == BATCH_ROWS ||
		    (b->count > 0 && b->text.len + ev.data_len > max_bytes)) {
			spool_reader_back(reader);
			break;
		}
		take(b, &ev);
	}
	if (rc == -1)
		return -1;
	if (!buf_ok(&b->text))
		return err_set(e, ERR_RETRY, "out of memory for events");
	settle(b);
	return rc;
}
