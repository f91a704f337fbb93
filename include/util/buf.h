#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * buf: bytes that grow up to a limit.
 *
 * Appending cannot be checked call by call without drowning the reader, so a
 * failure sticks: once memory or the limit ran out, further appends do
 * nothing, and the one who uses the bytes asks buf_ok() first.
 *
 *	struct buf b = BUF(MAX);  ... buf_add(&b, ...) ...
 *	if (!buf_ok(&b)) ...;     use b.data, b.len;  buf_clear(&b);
 *
 * data is NULL while empty, and else NUL-terminated behind len bytes.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;  /* most bytes that may be held; 0: no bytes at all */
	bool failed; /* an append was refused */
};

/* clang-format off */
#define BUF(max_bytes) { NULL, 0, 0, (max_bytes), false }
/* clang-format on */

/* Appends len bytes, all or none. */
void buf_add(struct buf *b, const void *bytes, size_t len);

/* Appends a string without its NUL. */
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);

/* Appends formatted text. */
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Makes room for n more bytes and returns where they go, or NULL when that
 * is over the limit (the buffer has then failed). Add what was written to
 * b->len and it counts.
 */
char *buf_reserve(struct buf *b, size_t n);

/* Drops the first n bytes, which must be there. */
void buf_drop(struct buf *b, size_t n);

/* True if every append since the last reset went in. */
bool buf_ok(const struct buf *b);

/* Forgets the contents but keeps the memory, and the limit. */
void buf_reset(struct buf *b);

/* Frees the memory; the buffer may be used again. Takes a zeroed struct. */
void buf_clear(struct buf *b);

/* buf_clear() for secrets: wipes the memory first. */
void buf_wipe(struct buf *b);

#endif
