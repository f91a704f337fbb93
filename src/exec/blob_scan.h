#ifndef EXEC_BLOB_SCAN_H
#define EXEC_BLOB_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/redact.h"

/*
 * blob_scan: looks for secrets in a stream of "git cat-file --batch", of any
 * length, without keeping it.
 *
 *	blob_scan_open -> blob_scan_feed* -> blob_scan_end -> close
 */
struct blob_scan {
	struct redact_stream *stream;
	struct buf line;    /* "ID blob SIZE", as far as it is there */
	struct buf scratch; /* what the redactor gives back; of no use */
	size_t left;        /* bytes of this blob to come */
	bool inside;        /* of a blob, or right behind it */
	bool broken;
	size_t found; /* markers before this blob */
	size_t count, most;
	bool *secret; /* the caller's, of most blobs: it has a secret */
};

int blob_scan_open(struct blob_scan *s, const struct redact *r, bool *secret,
    size_t most, struct err *e) MUST_CHECK;
void blob_scan_feed(struct blob_scan *s, const char *bytes, size_t len);

/* ERR_BROKEN unless exactly most whole blobs have come. */
int blob_scan_end(struct blob_scan *s, struct err *e) MUST_CHECK;
void blob_scan_close(struct blob_scan *s); /* takes a zeroed struct */

#endif
