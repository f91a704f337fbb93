#ifndef ENGINE_DECIDE_H
#define ENGINE_DECIDE_H

#include <stdbool.h>

/*
 * decide: what to do about an attempt, from what is known for certain. A pure
 * function, so that the whole table can be tested (reliability 7, 8, 10).
 */

/* Where the task stands in the database. */
enum row_state {
	ROW_UNKNOWN,   /* not asked yet: the reaper has just started */
	ROW_OURS,      /* running, this attempt */
	ROW_CANCEL,    /* the same, and its user wants it stopped */
	ROW_SUPERSEDED /* ended, or a newer attempt */
};

/* How far stopping the runner has got. */
enum stop_stage {
	STOP_NONE,
	STOP_ASKED,  /* TERM was sent, and its time is not over */
	STOP_OVERDUE /* TERM was sent, and its time is over */
};

struct facts {
	enum row_state row;
	enum stop_stage stop;
	bool alive;   /* the lock is held */
	bool result;  /* result.json is there */
	bool lingers; /* the result has been there for long, and it is alive */
	bool cut_off; /* others may take our tasks, and we cannot know */
	bool resumable; /* dead, but its sandbox may go on without it */
};

enum action {
	ACT_ASK,     /* ask the database where the task stands */
	ACT_FOLLOW,  /* ship, renew, wait */
	ACT_WAIT,    /* nothing but wait: the attempt may write no more */
	ACT_TERM,    /* ask the runner to stop */
	ACT_KILL,    /* kill it */
	ACT_DELIVER, /* record the result */
	ACT_RESUME,  /* dead without a result: another runner goes on */
	ACT_LOST,    /* the same, and none can: give the task back */
	ACT_DROP     /* forget the attempt and remove what it left */
};

enum action decide(const struct facts *f);

#endif
