/* The care for the one database connection (reliability 15). */
#include "engine/impl.h"
#include "util/clock.h"
#include "util/log.h"

bool
link_ready(const struct engine *g, int64_t now_ms)
{
	return backoff_over(&g->db_wait, now_ms);
}

/* Everybody renews first, so that nobody is swept by mistake. */
static void
new_connection(struct engine *g, int64_t now_ms)
{
	g->generation = db_generation(g->db);
	g->sweep_from_ms = now_ms + g->config->sweep_grace_s * 1000;
	g->clock_known = false;
	for (size_t i = 0; i < g->runs.count; i++)
		g->runs.at[i]->renew_ms = 0;
	g->wishes.at_ms = 0;
	g->claim.at_ms = 0;
	g->busy = true;
	log_line(LOG_INFO, "database connected generation=%u", g->generation);
}

void
link_worked(struct engine *g, int64_t now_ms)
{
	if (g->away_ms != 0)
		log_line(LOG_INFO, "database back after_ms=%jd",
		    (intmax_t)(now_ms - g->away_ms));
	g->away_ms = 0;
	backoff_ok(&g->db_wait);
	if (db_generation(g->db) != g->generation)
		new_connection(g, now_ms);
}

void
link_failed(struct engine *g, const struct err *e, const char *what)
{
	int64_t now = clock_mono_ms();

	if (e->kind != ERR_RETRY) {
		log_err(LOG_ERROR, e, "%s failed", what);
		return;
	}
	/* Once in a while is enough: it may be away for an hour. */
	if (g->away_ms == 0 || g->db_wait.wait_ms == BACKOFF_MOST_MS)
		log_err(LOG_WARN, e, "database away during=%s", what);
	if (g->away_ms == 0)
		g->away_ms = now;
	backoff_fail(&g->db_wait, now);
}

bool
link_cut_off(const struct engine *g, const struct run *r, int64_t now_ms)
{
	return g->others > 0 && g->away_ms != 0 && r->renewed_ms != 0 &&
	    now_ms - r->renewed_ms >= g->config->lease_s * 1000;
}
