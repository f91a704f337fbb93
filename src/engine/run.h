#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/decide.h"
#include "spool/spool.h"
#include "store/queue.h"
#include "util/err.h"
#include "util/proc.h"

/*
 * run: one attempt that this reaper looks after, from its claim, or from the
 * discovery of its spool folder, until it is delivered, given back or dropped.
 *
 * The lock in its folder is the sign of life; the pidfd only tells when it is
 * worth looking at the lock (P2, P4). A run without a pidfd (the runner of an
 * earlier reaper has not written its pid yet) is looked at again and again.
 */
struct run {
	struct hold hold;
	char name[SPOOL_NAME_MAX];
	enum row_state row;

	int dirfd;
	struct proc proc; /* pidfd -1: not known */
	bool watched;     /* the pidfd is in the event loop */
	bool exited;      /* the pidfd said so; the lock has the last word */
	bool began;       /* a runner was started: its loss counts as a try */
	bool adopted;     /* found on disk, not claimed by this process */
	bool has_row;     /* seen by the look for rows that is under way */

	/* Shipping. reader NULL: to be opened behind what is shipped. */
	struct spool_reader *reader;
	uint64_t shipped;
	bool shipped_known;
	int64_t
	    seen_bytes; /* size of events.ndjson when last read to its end */

	/* When things are due, clock_mono_ms(); 0: never or at once. */
	int64_t renew_ms;
	int64_t renewed_ms; /* last success: the lease began then */
	int64_t retry_ms;   /* left alone until then after a fault of its own */
	int64_t result_ms;  /* result first seen while the lock was held */
	int64_t look_ms;    /* next look for a result while it is alive */
	int64_t kill_ms;    /* TERM was sent; KILL is due */
	unsigned int faults; /* in a row, of its own */
	bool killed;
	bool no_resume; /* it cannot be taken up any more */
	bool nudge;     /* look again at once, not at the next tick */

	/*
	 * Over in the database; its workspace is being removed, and then its
	 * spool: whoever comes after a crash finds the spool and goes on.
	 */
	bool cleaning;
	int64_t cleaning_ms; /* since when */

	bool over; /* nothing more to do: the loop takes it out */
};

/*
 * A run over folder dirfd, which it owns from now on. NULL with *e when memory
 * is out (dirfd stays the caller's).
 */
struct run *run_new(const struct hold *h, int dirfd, struct err *e);
void run_free(struct run *r); /* takes NULL */

/*
 * True while the lock is held. Looks at the lock only when there is a reason
 * to: no pidfd, or it said that the process has ended.
 */
bool run_alive(struct run *r);

/*
 * True if its sandbox is in the cloud and so may have outlived its runner, and
 * it has not been taken up too often (reliability 17).
 */
bool run_may_resume(const struct run *r);

/* Another runner is to be started for it: forgets the one that has died. */
void run_reborn(struct run *r);

/* Finds the runner's pid in the lock file; false: not there, or not it. */
bool run_find_process(struct run *r);

/* Signals the runner if it is known; an ended one is no error. */
void run_signal(struct run *r, int sig);

/* True when events.ndjson has grown since it was last read to its end. */
bool run_has_news(struct run *r);

/* There is more to read although the file does not grow. */
void run_forget_news(struct run *r);

/*
 * A ship failed, or its outcome is unknown: the next one asks the database how
 * far it got, and reads on from there.
 */
void run_rewind(struct run *r);

/* All runs of this reaper. */
struct runs {
	struct run **at;
	size_t count;
	size_t room;
};

/* Takes r over; -1: memory is out and r stays the caller's. */
int runs_add(struct runs *rs, struct run *r, struct err *e) MUST_CHECK;
struct run *runs_find(const struct runs *rs, const struct hold *h);

/* Takes out and frees those that are over. */
void runs_sweep(struct runs *rs);
void runs_clear(struct runs *rs);

#endif
