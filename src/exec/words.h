#ifndef EXEC_WORDS_H
#define EXEC_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/redact.h"

/*
 * words: the part of a stream from the sandbox that is kept to be shown. The
 * bytes are redacted as they come, and cut after that: the rest of a secret at
 * the cut could not be known as one.
 *
 *	words_open -> words_add* -> words_end -> words_close
 */
struct words {
	struct redact_stream *stream;
	struct buf clean; /* one piece, redacted; reused */
	struct buf *kept;
	bool last;
};

/* Keeps the first or the last bytes, as many as kept->max. */
int words_open(struct words *w, const struct redact *r, struct buf *kept,
    bool last, struct err *e) MUST_CHECK;
void words_add(struct words *w, const char *bytes, size_t len);

/* What the redactor held back is certain now. */
void words_end(struct words *w);
void words_close(struct words *w); /* takes a zeroed struct */

#endif
