#ifndef SPOOL_MEMO_H
#define SPOOL_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

/*
 * memo: what a runner has noted down about its cloud sandbox, beside the
 * attempt's events ("sandbox.json"), so that another runner can go on with it
 * after this one has died (reliability 8). It is written before anything is
 * asked for that must not happen twice, and survives a power loss.
 */
#define MEMO_NONCE 33
#define MEMO_ID 64
#define MEMO_DIGEST 33

struct memo {
	char nonce[MEMO_NONCE]; /* what the sandbox can be found by */
	char id[MEMO_ID];       /* "": it may not have been made */
	bool v1;                /* the control plane is an older one */
	unsigned int runs;      /* commands begun; the last perhaps not yet */
	int64_t began_us;       /* since when, by the wall clock */
	unsigned int cut_run;   /* the command whose time was over; 0: none */
	bool cut_early;         /* by a clock of its own (exec/sandbox.h) */

	/*
	 * Of the secrets that the agent was given. With others the redactor
	 * would not know those, and what it has hidden would not be hidden.
	 */
	char secrets[MEMO_DIGEST];
};

int memo_write(int dirfd, const struct memo *m, struct err *e) MUST_CHECK;

/* ERR_ABSENT: there is none. ERR_BROKEN: it is not one of ours. */
int memo_read(int dirfd, struct memo *m, struct err *e) MUST_CHECK;

/* There is no such sandbox any more. */
int memo_forget(int dirfd, struct err *e) MUST_CHECK;

/*
 * How often a dead runner's attempt has been taken up again, and one more. The
 * reaper counts, so that a runner that dies at once cannot go on for ever.
 */
unsigned int memo_resumes(int dirfd);
int memo_resumes_add(int dirfd, struct err *e) MUST_CHECK;

#endif
