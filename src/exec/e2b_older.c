/*
 * e2b: the sandboxes of a task's earlier attempts. A runner that was given up
 * may live on elsewhere, with its agent at work: before there is another one
 * that one's machine goes (reliability 8). Attempts that push a branch have
 * numbers of their own (spool/spool.h) and are apart from those of the task.
 */
#include <inttypes.h>
#include <stdio.h>

#include "exec/e2b_list.h"
#include "spool/spool.h"
#include "util/clock.h"
#include "util/log.h"

struct ending {
	struct e2b *b;
	unsigned int killed;
};

static bool
is_first(unsigned int attempt)
{
	return attempt <= 1 || attempt == SPOOL_PUBLISH + 1;
}

static bool
is_older(const struct sandbox_e2b *ours, const struct cloud_box *box)
{
	bool pushes = ours->attempt > SPOOL_PUBLISH;

	return box->ours && box->marked && box->task_id == ours->task_id &&
	    box->attempt < ours->attempt &&
	    pushes == (box->attempt > SPOOL_PUBLISH);
}

static int
end_one(void *ctx, const struct e2b_box *found, struct err *e)
{
	struct ending *x = ctx;
	const struct cloud_box *box = &found->box;

	if (!is_older(x->b->set, box))
		return 0;
	if (e2b_kill_id(x->b, box->id, e) == -1)
		return -1;
	x->b->dead = false; /* that was another one */
	x->killed++;
	log_line(LOG_WARN, "e2b sandbox=%s attempt=%u ended", box->id,
	    box->attempt);
	return 0;
}

/* Nobody knows whether there is one, so there must not be another. */
static int
give_up(struct e2b *b, struct err *e)
{
	struct err why = *e;

	b->host->failure = NULL;
	return err_set(e, ERR_RETRY,
	    "A sandbox of an earlier attempt may still be there: %s", why.text);
}

int
e2b_end_older(struct e2b *b, struct err *e)
{
	int64_t until = clock_mono_ms() + (int64_t)b->set->busy_wait_s * 1000;
	enum e2b_trouble told = E2B_FINE;
	char task[24];
	const struct e2b_filter filter = { .deployment = b->set->deployment,
		.task = task,
		.patient = true };
	struct ending x = { .b = b };

	if (is_first(b->set->attempt))
		return 0;
	(void)snprintf(task, sizeof(task), "%" PRId64, b->set->task_id);
	for (unsigned int i = 2;; i++) {
		struct err untold = { 0 };
		int64_t wait_ms;

		if (e2b_list(b, &filter, end_one, &x, e) == 0)
			return 0;
		b->dead = false;
		if (!e2b_trouble_passes(b->trouble))
			return -1;
		if ((wait_ms = e2b_wait_ms(b, i, until)) == -1)
			return give_up(b, e);
		if (e2b_tell(b, &told, &untold) == -1) {
			*e = untold;
			return -1;
		}
		if (!e2b_pause(b, wait_ms))
			return e2b_fail(b, E2B_STOPPED, "", e);
	}
}
