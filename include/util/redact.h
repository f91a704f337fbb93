#ifndef UTIL_REDACT_H
#define UTIL_REDACT_H

#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * redact: the one gate through which every byte leaves a runner (design,
 * invariant 9). It knows the attempt's secrets and replaces each occurrence by
 * "[redacted]": as they are, percent-encoded (either case of hex), as a JSON
 * string has them (also in JSON within JSON, three deep), in base64 and
 * base64url at each of the three alignments, also when the occurrence is cut
 * over two or more chunks.
 *
 *	redact_new -> redact_learn* -> (redact_text | stream: feed* flush)*
 *
 * Secrets shorter than 8 bytes are refused (ERR_INVALID): they would redact
 * ordinary words. The patterns live in locked memory (P11), wiped by free.
 */
struct redact;

int redact_new(struct redact **r, struct err *e) MUST_CHECK;
int redact_learn(struct redact *r, const char *secret, size_t len,
    struct err *e) MUST_CHECK;
void redact_free(struct redact *r); /* takes NULL */

/* Appends a whole text, redacted. */
void redact_text(const struct redact *r, struct buf *out, const char *text,
    size_t len);

/* One stream of chunks; several may be open on one redact. */
struct redact_stream;

int redact_stream_new(struct redact_stream **s, const struct redact *r,
    struct err *e) MUST_CHECK;

/*
 * Appends what is certain; holds back at most as many bytes as may be the
 * beginning of a secret, and not a byte more.
 */
void redact_feed(struct redact_stream *s, struct buf *out, const char *bytes,
    size_t len);

/* The stream has ended: appends what was held back. The stream may go on. */
void redact_flush(struct redact_stream *s, struct buf *out);

/* How many markers the stream has written so far. */
size_t redact_stream_found(const struct redact_stream *s);
void redact_stream_free(struct redact_stream *s); /* takes NULL */

#endif
