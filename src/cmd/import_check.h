#ifndef CMD_IMPORT_CHECK_H
#define CMD_IMPORT_CHECK_H

#include "cmd/import_file.h"
#include "store/import.h"
#include "util/clock.h"

/*
 * import_check: from a record of the old system to a row that our tables take,
 * or the reason why not.
 */
#define IMPORT_TIMES_MAX 4

struct import_checked {
	const char *file;
	struct record record; /* what the item borrows from */

	/* What was written anew. */
	char times[IMPORT_TIMES_MAX][CLOCK_TEXT];
	struct buf chat;
	struct buf prompt;
	struct import_item item;
};

/* Whose rows are that name no user; NULL: nobody's. */
struct import_hints {
	enum import_kind kind;
	const char *user_id;
};

/*
 * Checks c->record and fills c->item. ERR_INVALID: why the row cannot be
 * taken.
 */
int import_check(struct import_checked *c, const struct import_hints *h,
    struct err *e) MUST_CHECK;
void import_checked_clear(struct import_checked *c); /* takes a zeroed one */

/* import_chat.c: the messages, each with a time in the contract's format. */
int import_chat(struct import_checked *c, struct err *e) MUST_CHECK;

#endif
