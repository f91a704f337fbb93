#ifndef CMD_LISTING_H
#define CMD_LISTING_H

#include "util/buf.h"
#include "util/err.h"
#include "util/json.h"

/*
 * listing: rows on standard output, a line each, or one JSON array of all.
 *
 *	j = listing_begin(&l, args->json);
 *	return listing_end(&l, user_list(db, print_row, j, e), e);
 *
 * where print_row() prints a line when its context is NULL, and appends an
 * object to it otherwise.
 */
struct listing {
	struct buf text;
	struct json_out array;
	bool json;
};

/* The context for print_row(). */
struct json_out *listing_begin(struct listing *l, bool json);

/* Prints the array if rc is 0, and frees it. Returns rc, or -1. */
int listing_end(struct listing *l, int rc, struct err *e) MUST_CHECK;

/* What is NULL in the table, and "" in its row, is null here. */
void listing_name_text(struct json_out *j, const char *name, const char *text);

#endif
