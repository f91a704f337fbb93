#include "engine/job.h"

#include "spool/spool.h"

_Static_assert(SPOOL_PUBLISH == HOLD_PUBLISH, "one border for both");

static int
task_tries(struct db *db, const struct hold *h, unsigned int *tries,
    struct err *e)
{
	struct claim c = { 0 };
	int rc = queue_load(db, h, &c, e);

	*tries = c.tries;
	claim_clear(&c);
	return rc;
}

const struct job *
job_of(const struct hold *h)
{
	static const struct job task = { true, queue_hold_state, queue_renew,
		task_tries, queue_give_back };
	static const struct job publish = { false, publish_hold_state,
		publish_renew, publish_tries, publish_give_back };

	return hold_publishes(h) ? &publish : &task;
}
