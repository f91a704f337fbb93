#include "cmd/listing.h"

#include <stdio.h>

#define LISTING_MAX ((size_t)256 << 20)

struct json_out *
listing_begin(struct listing *l, bool json)
{
	l->json = json;
	l->text = (struct buf)BUF(LISTING_MAX);
	if (!json)
		return NULL;
	json_start(&l->array, &l->text);
	json_open_array(&l->array);
	return &l->array;
}

int
listing_end(struct listing *l, int rc, struct err *e)
{
	if (rc == 0 && l->json) {
		json_close_array(&l->array);
		rc = buf_ok(&l->text) ? 0
				      : err_set(e, ERR_RETRY, "out of memory");
	}
	if (rc == 0 && l->json)
		(void)puts(l->text.data);
	buf_clear(&l->text);
	return rc;
}

void
listing_name_text(struct json_out *j, const char *name, const char *text)
{
	json_name_text(j, name, text[0] != '\0' ? text : NULL);
}
