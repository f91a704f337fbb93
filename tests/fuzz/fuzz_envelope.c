/*
 * A stream of a process in a cloud sandbox, as a broken or hostile peer may
 * send it. The first byte says how large the pieces are that it comes in. No
 * matter how it is cut, the same messages come out, or the same refusal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exec/e2b_envelope.h"
#include "exec/e2b_event.h"
#include "util/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t count;
	struct buf texts;
};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static int
take(void *ctx, bool last, const char *message, size_t len, struct err *e)
{
	struct seen *s = ctx;
	struct e2b_event ev;
	struct err ignored = { 0 };

	(void)e;
	s->count++;
	buf_add(&s->texts, message, len);
	buf_putc(&s->texts, last ? '\n' : '|');
	if (e2b_event_read(&ev, last, message, len, &ignored) == 0) {
		must((ev.kind == E2B_EVENT_LAST) == last);
		must(ev.code >= -1 && ev.code <= 255);
		must(ev.kind != E2B_EVENT_START || ev.pid > 0);
	}
	e2b_event_clear(&ev);
	return 0;
}

static int
feed(struct seen *s, const char *bytes, size_t len, size_t piece)
{
	struct envelope_reader r;
	struct err e = { 0 };
	int rc = 0;

	*s = (struct seen){ .texts = BUF(4 * (len + 1)) };
	envelope_start(&r);
	for (size_t at = 0; at < len && rc == 0; at += piece)
		rc = envelope_feed(&r, bytes + at,
		    len - at < piece ? len - at : piece, take, s, &e);
	envelope_clear(&r);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;
	struct err e = { 0 };
	const char *bytes = (const char *)data + 1;

	if (size < 2 || encode_init(&e) == -1)
		return 0;
	must(feed(&whole, bytes, size - 1, size - 1) ==
	    feed(&cut, bytes, size - 1, (size_t)data[0] + 1));
	must(whole.count == cut.count && whole.texts.len == cut.texts.len);
	must(whole.texts.len == 0 ||
	    memcmp(whole.texts.data, cut.texts.data, cut.texts.len) == 0);
	buf_clear(&whole.texts);
	buf_clear(&cut.texts);
	return 0;
}
