#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "spool/spool.h"
#include "store/queue.h"

/*
 * batch: some events on their way from a spool into one transaction.
 */
#define BATCH_ROWS 256
#define BATCH_BYTES ((size_t)512 * 1024)

struct batch {
	struct buf text; /* all data, one behind the other */
	struct event_new rows[BATCH_ROWS];
	char kinds[BATCH_ROWS][SPOOL_KIND_MAX + 1];
	char times[BATCH_ROWS][27];
	size_t count;
};

void batch_init(struct batch *b);
void batch_clear(struct batch *b);

/*
 * Empties the batch and reads events into it: at most max_bytes of data, but
 * at least one event. Returns 1 when there may be more, 0 when the end was
 * reached, -1.
 */
int batch_fill(struct batch *b, struct spool_reader *reader, size_t max_bytes,
    struct err *e) MUST_CHECK;

#endif
