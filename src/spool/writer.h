#ifndef SPOOL_WRITER_H
#define SPOOL_WRITER_H

/* What writer.c (events) and result_write.c (the result) share. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/gate.h"
#include "spool/spool.h"

#define SPOOL_EVENTS "events.ndjson"
#define SPOOL_RESULT "result.json"
#define SPOOL_LOCK "lock"

enum {
	STREAM_STDOUT,
	STREAM_STDERR,
	STREAM_N
};

struct spool_writer {
	int dirfd;
	int fd;
	off_t end; /* behind the last whole line */
	uint64_t seq;
	const struct redact *redact;

	struct gate gates[STREAM_N];
	struct buf text; /* one chunk of output, clean; reused */
	struct buf line; /* one event; reused */

	size_t output_max, output_kept;
	uint64_t output_dropped;
	bool truncated;

	size_t data_at;        /* where the event's data begins in line */
	const char *kind;      /* of the event in line */
	struct replay *replay; /* what an earlier runner told; NULL: none */
};

#endif
