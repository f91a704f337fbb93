/* Taking due tasks, as many as may run (reliability 5). */
#include "engine/impl.h"
#include "util/clock.h"
#include "util/log.h"

/* Then the others get their turn; the rest follows at once. */
#define BURST 8

/* Pushes have places of their own. */
static bool
has_place(const struct engine *g)
{
	size_t tasks = 0;

	for (size_t i = 0; i < g->runs.count; i++)
		if (!hold_publishes(&g->runs.at[i]->hold))
			tasks++;
	return tasks < (size_t)g->config->tasks_per_machine;
}

static bool
may_claim(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };

	if (g->drain || !g->registered || !room_now(g, now_ms) ||
	    !link_ready(g, now_ms))
		return false;
	if (spawner_ready(&g->spawner, now_ms, &e) == -1) {
		log_err(LOG_WARN, &e, "nothing is claimed");
		return false;
	}
	return true;
}

/* Not, if what was begun last has shown otherwise. */
static bool
may_go_on(const struct engine *g)
{
	return link_ready(g, clock_mono_ms()) && g->spawner.sock != -1 &&
	    !g->room.failing;
}

/* 1 one more was started, 0 there is none or not now. */
static int
claim_one(struct engine *g)
{
	const struct claim_limits limits = {
		.per_user = (unsigned int)g->config->tasks_per_user,
		.lease_s = (unsigned int)g->config->lease_s,
	};
	struct claim c = { 0 };
	struct err e = { 0 };
	int got;

	got = queue_claim(g->db, g->id.owner, &limits, &c, &e);
	if (got == -1) {
		link_failed(g, &e, "claim");
		/* The claim may stand all the same: it has no run then. */
		g->wishes.at_ms = 0;
		return 0;
	}
	link_worked(g, clock_mono_ms());
	g->idle_seen = got == 0;
	if (got == 1)
		start_claimed(g, &c);
	claim_clear(&c);
	return got;
}

void
claim_due(struct engine *g, int64_t now_ms)
{
	unsigned int room;

	if (!timer_due(&g->claim, now_ms))
		return;
	timer_set_jittered(&g->claim, now_ms, g->config->poll_ms);
	if (!may_claim(g, now_ms))
		return;
	/* Their users look at a page that waits. */
	for (int i = 0; i < BURST && may_go_on(g); i++)
		if (publish_claim_one(g) == 0)
			break;
	room = quota_room(&g->quota, BURST, now_ms);
	for (unsigned int i = 0; i < room; i++) {
		if (!has_place(g) || !may_go_on(g) || claim_one(g) == 0)
			return;
		quota_claimed(&g->quota, clock_mono_ms());
	}
	if (room < BURST)
		return; /* no more before it is known how these fare */
	g->claim.at_ms = 0;
	g->busy = true;
}
