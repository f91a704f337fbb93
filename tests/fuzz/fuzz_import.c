/*
 * Any file as one that is to be imported: as CSV, as a large JSON document, and
 * as a time. Every piece must lie inside, and reading must come to an end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/csv.h"
#include "util/json.h"
#include "util/json_items.h"
#include "util/time_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check_csv(const char *text, size_t len)
{
	struct csv_row row = { 0 };
	struct err e = { 0 };
	size_t rows = 0, line = 0;
	struct csv c;
	int got;

	csv_open(&c, text, len);
	while ((got = csv_next(&c, &row, &e)) == 1) {
		must(++rows <= len && row.line > line && row.count > 0);
		line = row.line;
		for (size_t i = 0; i < row.count; i++) {
			const struct csv_field *f = &row.fields[i];

			must(f->offset + f->len < row.text.len);
			must(row.text.data[f->offset + f->len] == '\0');
			must((csv_text(&row, i) == NULL) == f->null);
		}
	}
	must(got == 0 ? c.at == c.end : e.kind == ERR_INVALID);
	csv_row_clear(&row);
}

/* If the whole is JSON then each piece is, and they are as many. */
static void
check_items(const char *text, size_t len)
{
	struct json_items it;
	struct json_item item;
	struct err e = { 0 };
	const bool whole = json_scan(text, len, &e) == 0;
	int got;

	if (json_items_open(&it, text, len, 1, &e) == -1)
		return;
	while ((got = json_items_next(&it, &item, &e)) == 1) {
		must(item.text >= text && item.text + item.len <= text + len);
		must(item.len > 0 && (item.key != NULL) == it.object);
		if (whole)
			must(json_scan(item.text, item.len, &e) == 0);
	}
	must(got == 0 || !whole);
}

static void
check_time(const char *text, size_t len)
{
	char shown[CLOCK_TEXT];
	int64_t us, again;

	if (!time_read(&us, text, len))
		return;
	must(us >= 0);
	clock_text(shown, us);
	must(time_read(&again, shown, strlen(shown)) && again == us);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size == 0 ? 1 : size);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	check_csv(text, size);
	check_items(text, size);
	check_time(text, size);
	free(text);
	return 0;
}
