#ifndef EXEC_E2B_ENVELOPE_H
#define EXEC_E2B_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * e2b_envelope: the frames of Connect's streams: one byte of flags, four of
 * length, and the message. Their borders have nothing to do with the pieces
 * that the network brings (E2B protocol 4.3). Pure.
 */
#define ENVELOPE_HEAD 5
#define ENVELOPE_MAX ((size_t)1024 * 1024)

/* Gets each whole message, in turn. last: it is the end of the stream's. */
typedef int envelope_take(void *ctx, bool last, const char *message, size_t len,
    struct err *e);

struct envelope_reader {
	struct buf held; /* the beginning of a frame */
	bool ended;      /* the last one has been seen */
};

void envelope_start(struct envelope_reader *r);

/*
 * Takes bytes as they come. ERR_BROKEN: they are no frames, or one is
 * compressed, which nobody asked for, or larger than ENVELOPE_MAX, or comes
 * behind the last. Otherwise what take() returned.
 */
int envelope_feed(struct envelope_reader *r, const char *bytes, size_t len,
    envelope_take *take, void *ctx, struct err *e) MUST_CHECK;

/* Forgets all; takes a zeroed struct. */
void envelope_clear(struct envelope_reader *r);

/* Appends one message with its head. */
void envelope_write(struct buf *to, const char *message, size_t len);

#endif
