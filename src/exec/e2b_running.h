#ifndef EXEC_E2B_RUNNING_H
#define EXEC_E2B_RUNNING_H

#include "exec/e2b_process.h"

/*
 * e2b_running: one command on its way, for e2b_run.c, which follows it, and
 * e2b_output.c, which reads its files (the truth; the stream is the quick way
 * to it). Private to these two.
 */
struct running {
	struct e2b *b;
	struct e2b_process p;
	const struct sandbox_cmd *cmd;
	struct sandbox_end *end;
	char folder[64];
	int64_t until_ms;
	int64_t looked_ms; /* into the files */
	bool known; /* a process before us has begun it, or was about to */
	bool asked; /* whether it has ended, and there was an answer */
	bool begun; /* it has been seen alive */
	unsigned int starts, vanished, failures;
};

/* True if a failed request may be asked again later, and nothing is lost. */
bool e2b_may_wait(const struct running *r);

/*
 * Passes on what is in the files beyond what was, for this long at most. 0 also
 * when it has to be done again later. Nothing while the stream tells every byte
 * (p.whole): reading lets that move, and all would be told twice.
 */
int e2b_read_news(struct running *r, int64_t most_ms, struct err *e) MUST_CHECK;

/* Its file "code": 1 with the status, 0 when it is not there yet. */
int e2b_read_code(struct running *r, uint64_t sizes[2],
    struct err *e) MUST_CHECK;

/*
 * The command has ended: what the stream has not told is in the files. With
 * more than can be read in time it is as if its time had been over.
 */
int e2b_read_rest(struct running *r, const uint64_t sizes[2],
    struct err *e) MUST_CHECK;

#endif
