/* What is due now and then: heartbeat, other machines' leases, old keys. */
#include "engine/impl.h"
#include "store/audit.h"
#include "store/cluster.h"
#include "store/machine.h"
#include "util/clock.h"
#include "util/log.h"

#define BEAT_MS 2000
#define PEERS_MS 10000
#define PEERS_FRESH_S 60
#define EXPIRE_MS (60 * 60 * 1000)
#define EXPIRE_MORE_MS 1000 /* while there is more than one bite */
#define EXPIRE_RETRY_MS (60 * 1000)
#define KEYS_HOURS 24
#define AUDIT_ROWS 1000
#define CLOCK_STEP_US (5 * 1000000)

static void
beat(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };

	timer_set(&g->beat, now_ms, BEAT_MS);
	if (machine_beat(g->db, g->id.machine_id, g->room.trouble, &e) == -1)
		link_failed(g, &e, "heartbeat");
	else
		link_worked(g, now_ms);
}

static void
count_others(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };
	int64_t others;

	timer_set_jittered(&g->peers, now_ms, PEERS_MS);
	if (cluster_others(g->db, g->id.machine_id, PEERS_FRESH_S, &others,
		&e) == -1)
		link_failed(g, &e, "count machines");
	else
		g->others = others;
}

/* False: no lease may be judged by this clock now (reliability 8). */
static bool
clock_is_steady(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };
	int64_t us, offset, moved;

	if (cluster_clock_us(g->db, &us, &e) == -1) {
		link_failed(g, &e, "read the clock");
		return false;
	}
	offset = us - clock_mono_us();
	moved = offset - g->clock_offset_us;
	g->clock_offset_us = offset;
	if (!g->clock_known) {
		g->clock_known = true;
		return true;
	}
	if (moved < CLOCK_STEP_US && moved > -CLOCK_STEP_US)
		return true;
	g->sweep_from_ms = now_ms + g->config->lease_s * 1000;
	log_line(LOG_WARN, "database clock moved ms=%jd, no takeover for %ld s",
	    (intmax_t)(moved / 1000), g->config->lease_s);
	return false;
}

static void
sweep(struct engine *g, int64_t now_ms)
{
	const struct sweep s = {
		.owner = g->id.owner,
		.slack_s = (unsigned int)g->config->sweep_slack_s,
		.delay_ms = config_retry_delay_ms(g->config, 1),
		.max_tries = (unsigned int)g->config->max_tries,
	};
	unsigned int taken = 0;
	struct err e = { 0 };

	timer_set_jittered(&g->sweep, now_ms, g->config->sweep_s * 1000);
	if (!clock_is_steady(g, now_ms) || now_ms < g->sweep_from_ms)
		return;
	if (queue_sweep(g->db, &s, &taken, &e) == -1 ||
	    publish_sweep(g->db, &s, &taken, &e) == -1) {
		link_failed(g, &e, "sweep");
		return;
	}
	link_worked(g, now_ms);
	if (taken == 0)
		return;
	log_line(LOG_WARN, "leases of silent machines ended count=%u", taken);
	cloud_janitor_poke(&g->cloud);
}

static void
expire(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };
	int more, audit;

	timer_set_jittered(&g->expire, now_ms, EXPIRE_MS);
	more = queue_expire_keys(g->db, KEYS_HOURS, &e);
	audit = more == -1
	    ? -1
	    : audit_tidy(g->db, g->config->audit_keep_days, AUDIT_ROWS, &e);
	if (more == 1 || audit == 1)
		timer_set_jittered(&g->expire, now_ms, EXPIRE_MORE_MS);
	if (audit == -1) {
		link_failed(g, &e, "expire");
		timer_set_jittered(&g->expire, now_ms, EXPIRE_RETRY_MS);
	}
}

static bool
is_due(const struct engine *g, const struct timer *t, int64_t now_ms)
{
	return link_ready(g, now_ms) && timer_due(t, now_ms);
}

void
sweep_due(struct engine *g, int64_t now_ms)
{
	if (!g->registered)
		return;
	if (is_due(g, &g->beat, now_ms))
		beat(g, now_ms);
	if (is_due(g, &g->peers, now_ms))
		count_others(g, now_ms);
	if (is_due(g, &g->sweep, now_ms))
		sweep(g, now_ms);
	if (is_due(g, &g->expire, now_ms))
		expire(g, now_ms);
}
