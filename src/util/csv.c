#include "util/csv.h"

#include <string.h>

void
csv_open(struct csv *c, const char *text, size_t len)
{
	static const char mark[] = "\xef\xbb\xbf";

	c->at = text;
	c->end = text + len;
	c->line = 1;
	if (len >= 3 && memcmp(text, mark, 3) == 0)
		c->at += 3;
}

static bool
at_line_end(const struct csv *c)
{
	return c->at == c->end || *c->at == '\n' ||
	    (*c->at == '\r' && c->at + 1 < c->end && c->at[1] == '\n');
}

static void
skip_line_end(struct csv *c)
{
	if (c->at == c->end)
		return;
	c->at += *c->at == '\r' ? 2 : 1;
	c->line++;
}

/* Behind the opening quote; up to and with the closing one. */
static int
read_quoted(struct csv *c, struct csv_row *row, struct err *e)
{
	const size_t from = c->line;

	for (;;) {
		const char *p = c->at;

		while (p < c->end && *p != '"') {
			c->line += *p == '\n';
			p++;
		}
		buf_add(&row->text, c->at, (size_t)(p - c->at));
		if (p == c->end)
			return err_set(e, ERR_INVALID,
			    "line %zu: the quote is never closed", from);
		c->at = p + 1;
		if (c->at == c->end || *c->at != '"')
			return 0;
		buf_putc(&row->text, '"');
		c->at++;
	}
}

static int
read_plain(struct csv *c, struct csv_row *row, struct err *e)
{
	const char *from = c->at;

	while (!at_line_end(c) && *c->at != ',') {
		if (*c->at == '"')
			return err_set(e, ERR_INVALID,
			    "line %zu: a quote inside a field without quotes",
			    c->line);
		c->at++;
	}
	buf_add(&row->text, from, (size_t)(c->at - from));
	return 0;
}

static int
read_field(struct csv *c, struct csv_row *row, struct err *e)
{
	struct csv_field *f = &row->fields[row->count];
	const bool quoted = c->at < c->end && *c->at == '"';
	int rc;

	f->offset = row->text.len;
	if (quoted) {
		c->at++;
		rc = read_quoted(c, row, e);
	} else
		rc = read_plain(c, row, e);
	if (rc == -1)
		return -1;
	if (!at_line_end(c) && *c->at != ',')
		return err_set(e, ERR_INVALID,
		    "line %zu: text behind a closing quote", c->line);
	f->len = row->text.len - f->offset;
	f->null = !quoted && f->len == 0;
	buf_putc(&row->text, '\0');
	row->count++;
	return 0;
}

static int
read_row(struct csv *c, struct csv_row *row, struct err *e)
{
	for (;;) {
		if (row->count == CSV_FIELDS_MAX)
			return err_set(e, ERR_INVALID,
			    "line %zu: more than %d fields", row->line,
			    CSV_FIELDS_MAX);
		if (read_field(c, row, e) == -1)
			return -1;
		if (at_line_end(c))
			break;
		c->at++; /* the comma */
	}
	skip_line_end(c);
	if (!buf_ok(&row->text))
		return err_set(e, ERR_INVALID, "line %zu: the row is too large",
		    row->line);
	return 1;
}

int
csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
	while (c->at < c->end && at_line_end(c))
		skip_line_end(c);
	row->count = 0;
	row->line = c->line;
	row->text.max = CSV_ROW_BYTES_MAX;
	buf_reset(&row->text);
	return c->at == c->end ? 0 : read_row(c, row, e);
}

const char *
csv_text(const struct csv_row *row, size_t i)
{
	if (i >= row->count || row->fields[i].null)
		return NULL;
	return row->text.data + row->fields[i].offset;
}

void
csv_row_clear(struct csv_row *row)
{
	buf_clear(&row->text);
	row->count = 0;
}
