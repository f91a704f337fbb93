#ifndef SPOOL_GATE_H
#define SPOOL_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/redact.h"

/*
 * gate: a stream of bytes from outside on its way into the spool: secrets
 * redacted, and for text made valid UTF-8. What may be the first part of a
 * secret or of a character waits inside until the rest is there.
 */
#define GATE_PIECE ((size_t)64 * 1024) /* most bytes for one gate_feed() */

struct gate {
	struct redact_stream *stream;
	struct buf raw; /* redacted, not yet valid text */
	bool text;
};

int gate_open(struct gate *g, const struct redact *redact, bool text,
    struct err *e) MUST_CHECK;
void gate_close(struct gate *g); /* takes a zeroed struct */

/* Appends to out what is certain by now. len is at most GATE_PIECE. */
int gate_feed(struct gate *g, struct buf *out, const char *bytes, size_t len,
    struct err *e) MUST_CHECK;

/* Appends the rest; the gate may be used again. */
int gate_end(struct gate *g, struct buf *out, struct err *e) MUST_CHECK;

/* A whole text at once, at most max bytes of it, appended to out. */
void gate_text(const struct redact *redact, struct buf *out, const char *text,
    size_t max);

/*
 * A JSON text, or a part of one ("a":1,"b":2), appended to out: each string
 * that is a value is redacted as it was before it was escaped, and then
 * escaped again. The document as a whole is never redacted: a secret with a
 * quote would not be found, and one that looks like JSON would break it.
 */
void gate_json(const struct redact *redact, struct buf *out, const char *json,
    size_t len);

#endif
