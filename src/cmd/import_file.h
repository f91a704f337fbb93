#ifndef CMD_IMPORT_FILE_H
#define CMD_IMPORT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/import.h"
#include "util/csv.h"
#include "util/json_items.h"

/*
 * import_file: a file of the old system as a row of records. It is one of
 *
 *	a CSV file with a header, as COPY ... CSV HEADER writes it
 *	a JSON array of row objects
 *	a JSON object of such objects, by their id (the old tasks file)
 *	a JSON object with a member "users", "projects" or "tasks" that is one
 *	of these two
 *
 * What it holds is told by the names of its columns. The file is mapped, and
 * one row at a time is read into memory.
 */
#define RECORD_FIELDS_MAX CSV_FIELDS_MAX
#define RECORD_NAME_MAX 63

struct record_field {
	char name[RECORD_NAME_MAX + 1];
	size_t offset; /* into the record's text, NUL-terminated there */
	size_t len;
	bool null;
};

/* All values as text; what was JSON there is JSON here. Zeroed before use. */
struct record {
	size_t line;
	struct record_field fields[RECORD_FIELDS_MAX];
	size_t count;
	struct buf text;
};

/* NULL when the column is NULL or not there. */
const char *record_get(const struct record *r, const char *name);
void record_clear(struct record *r);

struct import_file {
	const char *name;
	enum import_kind kind;
	char *map;
	size_t len;

	bool csv;
	struct csv csv_text;
	struct csv_row csv_row;
	struct record_field header[RECORD_FIELDS_MAX];
	size_t header_count;
	struct json_items items;
};

/*
 * Opens path and finds out what it holds, standing before its first record.
 * ERR_INVALID: not such a file. A file without any row is of kind
 * IMPORT_KIND_N.
 */
int import_file_open(struct import_file *f, const char *path,
    struct err *e) MUST_CHECK;

/*
 * 1 with *r, 0 at the end, -1 ERR_INVALID: the rest cannot be read. 2: this
 * record alone is unusable, for the reason in *e.
 */
int import_file_next(struct import_file *f, struct record *r,
    struct err *e) MUST_CHECK;
void import_file_close(struct import_file *f); /* takes a zeroed struct */

/* The column number i that the import does not know; NULL behind the last. */
const char *import_file_unknown_column(const struct record *r, size_t i);

#endif
