#ifndef CMD_ORPHANS_H
#define CMD_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exec/cloud.h"
#include "store/standing.h"

/*
 * orphans: which sandboxes nobody owns any more, from one look at all of them
 * to the next. Pure.
 *
 * One whose attempt is over for certain is an orphan at once. Where the
 * database knows of no such attempt it may be a node that has not heard of it
 * yet, so that is believed only when two looks in a row agree, some time apart.
 */
#define ORPHANS_DOUBTS_MAX 1000 /* the rest is looked at again later */

struct orphans {
	int64_t apart_ms; /* between the two looks, at least */
	unsigned int look;
	struct orphan_doubt {
		char id[CLOUD_ID_MAX];
		int64_t since_ms;
		unsigned int look; /* that has seen it last */
	} * doubts;
	size_t count, room;
};

void orphans_init(struct orphans *o, int64_t apart_ms);
void orphans_clear(struct orphans *o);

/* Around a look. One that broke off has no end, and nothing was seen twice. */
void orphans_begin(struct orphans *o);
void orphans_end(struct orphans *o);

/* True if it is to be killed. */
bool orphans_judge(struct orphans *o, const char *id, enum standing s,
    int64_t now_ms);

#endif
