/*
 * Any bytes as a JSON document. What the scan takes json-c must take as well,
 * and what is then written by us must scan again; what it refuses must have a
 * place and a kind. A string of the input, cleaned, must survive our writer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/utf8.h"

#define ROOM (1 << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the text as a member of an object, and reads it back. */
static void
check_writer(const char *text, size_t size)
{
	struct buf clean = BUF(ROOM), out = BUF(ROOM);
	struct json_object *o = NULL;
	struct json_out j;
	struct err e = { 0 };
	const char *s;
	size_t len;

	utf8_clean(&clean, text, size);
	if (!utf8_valid(clean.data, clean.len))
		abort();
	json_start(&j, &out);
	json_open(&j);
	json_name_string(&j, "s", clean.data, clean.len);
	json_close(&j);
	if (!buf_ok(&out) || json_read(&o, out.data, out.len, &e) == -1 ||
	    json_get_string(o, "s", &s, &len) != JSON_FOUND ||
	    len != clean.len || (len > 0 && memcmp(s, clean.data, len) != 0))
		abort();
	json_free(o);
	buf_clear(&clean);
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct json_object *o = NULL;
	struct err e = { 0 };
	int scanned = json_scan(text, size, &e);

	if (scanned == 0 && !utf8_valid(text, size))
		abort();
	if (scanned == -1 &&
	    (e.kind != ERR_INVALID || strncmp(e.text, "line ", 5) != 0))
		abort();
	if (json_read(&o, text, size, &e) != scanned)
		abort();
	if (scanned == 0)
		(void)json_falsy(o);
	json_free(o);
	check_writer(text, size);
	return 0;
}
