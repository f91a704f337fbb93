#include "exec/e2b_envelope.h"

#include <stdint.h>

enum {
	FLAG_COMPRESSED = 0x01,
	FLAG_LAST = 0x02
};

void
envelope_start(struct envelope_reader *r)
{
	*r = (struct envelope_reader){ .held =
					   BUF(ENVELOPE_HEAD + ENVELOPE_MAX) };
}

void
envelope_clear(struct envelope_reader *r)
{
	buf_clear(&r->held);
}

/* Checks a head; the message's length, or -1. */
static int64_t
read_head(const struct envelope_reader *r, const unsigned char *head,
    struct err *e)
{
	uint32_t len = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 |
	    (uint32_t)head[3] << 8 | head[4];

	if (r->ended)
		return err_set(e, ERR_BROKEN,
		    "E2B's stream goes on behind its end");
	if ((head[0] & FLAG_COMPRESSED) != 0)
		return err_set(e, ERR_BROKEN,
		    "E2B's stream is compressed, which nobody asked for");
	if ((head[0] & ~(FLAG_COMPRESSED | FLAG_LAST)) != 0)
		return err_set(e, ERR_BROKEN,
		    "E2B's stream has a frame of unknown kind %#x", head[0]);
	if (len > ENVELOPE_MAX)
		return err_set(e, ERR_BROKEN,
		    "E2B's stream has a message of %lu bytes",
		    (unsigned long)len);
	return len;
}

/* Hands on every whole frame that is held. */
static int
hand_on(struct envelope_reader *r, envelope_take *take, void *ctx,
    struct err *e)
{
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && r->held.len - at >= ENVELOPE_HEAD) {
		const char *head = r->held.data + at;
		int64_t size = read_head(r, (const unsigned char *)head, e);

		if (size == -1)
			return -1;
		if (r->held.len - at < ENVELOPE_HEAD + (size_t)size)
			break;
		r->ended = (head[0] & FLAG_LAST) != 0;
		rc = take(ctx, r->ended, head + ENVELOPE_HEAD, (size_t)size, e);
		at += ENVELOPE_HEAD + (size_t)size;
	}
	buf_drop(&r->held, at);
	return rc;
}

int
envelope_feed(struct envelope_reader *r, const char *bytes, size_t len,
    envelope_take *take, void *ctx, struct err *e)
{
	int rc = 0;

	/* There is always room: a frame of the largest size is handed on. */
	while (rc == 0 && len > 0) {
		size_t room = r->held.max - r->held.len;
		size_t n = len < room ? len : room;

		buf_add(&r->held, bytes, n);
		if (!buf_ok(&r->held))
			return err_set(e, ERR_RETRY, "out of memory");
		bytes += n;
		len -= n;
		rc = hand_on(r, take, ctx, e);
	}
	return rc;
}

void
envelope_write(struct buf *to, const char *message, size_t len)
{
	const unsigned char head[ENVELOPE_HEAD] = { 0,
		(unsigned char)(len >> 24 & 0xff),
		(unsigned char)(len >> 16 & 0xff),
		(unsigned char)(len >> 8 & 0xff), (unsigned char)(len & 0xff) };

	buf_add(to, head, sizeof(head));
	buf_add(to, message, len);
}
