#ifndef UTIL_CSV_H
#define UTIL_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/err.h"

/*
 * csv: reads RFC 4180, as PostgreSQL's COPY writes it: fields in quotes may
 * hold commas, quotes (doubled) and line breaks, and a field without quotes
 * that is empty is NULL, which "" is not. Lines end with LF or CRLF. A byte
 * order mark at the beginning is passed over.
 *
 *	csv_open(&c, text, len);
 *	while ((rc = csv_next(&c, &row, e)) == 1) ... row.fields[i] ...
 *	csv_row_clear(&row);
 */
#define CSV_FIELDS_MAX 64
#define CSV_ROW_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct csv {
	const char *at, *end; /* borrowed */
	size_t line;          /* where at is, from 1 */
};

struct csv_field {
	size_t offset; /* into the row's text, NUL-terminated there */
	size_t len;
	bool null;
};

/* Zeroed before the first call; used again for each row. */
struct csv_row {
	size_t line; /* it begins at */
	struct csv_field fields[CSV_FIELDS_MAX];
	size_t count;
	struct buf text;
};

void csv_open(struct csv *c, const char *text, size_t len);

/*
 * The next row that is not an empty line: 1, 0 at the end, -1 ERR_INVALID when
 * quotes do not match; nothing behind that can be trusted.
 */
int csv_next(struct csv *c, struct csv_row *row, struct err *e) MUST_CHECK;

/* Text of field i; NULL when it is NULL or there is none. */
const char *csv_text(const struct csv_row *row, size_t i);
void csv_row_clear(struct csv_row *row);

#endif
