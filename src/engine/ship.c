/* From spools into the database, and the leases (reliability 6). */
#include "engine/impl.h"
#include "util/clock.h"
#include "util/log.h"

#define FAULT_WAIT_MS 2000
#define LAST_BYTES ((size_t)64 * 1024)

void
ship_fault(struct run *r, const struct err *e, const char *what)
{
	log_err(LOG_ERROR, e, "%s failed run=%s", what, r->name);
	r->retry_ms = clock_mono_ms() + jittered(FAULT_WAIT_MS);
	r->faults++;
	run_rewind(r);
}

/* A statement about this run failed. */
static void
statement_failed(struct engine *g, struct run *r, const struct err *e,
    const char *what)
{
	run_rewind(r);
	if (e->kind == ERR_CONFLICT)
		r->row = ROW_UNKNOWN; /* swept or superseded: ask which */
	else if (e->kind == ERR_RETRY)
		link_failed(g, e, what);
	else
		ship_fault(r, e, what);
}

int
ship_position(struct engine *g, struct run *r)
{
	struct err e = { 0 };

	if (r->shipped_known)
		return 0;
	if (queue_shipped(g->db, &r->hold, &r->shipped, &e) == -1) {
		statement_failed(g, r, &e, "ask how far it was shipped");
		return -1;
	}
	link_worked(g, clock_mono_ms());
	r->shipped_known = true;
	return 0;
}

/* Opens the reader behind what is in the database already. */
static int
reader_ready(struct engine *g, struct run *r)
{
	struct err e = { 0 };

	if (r->reader != NULL)
		return 0;
	if (ship_position(g, r) == -1)
		return -1;
	if (spool_reader_open(&r->reader, r->dirfd, r->shipped, &e) == -1) {
		ship_fault(r, &e, "read spool");
		return -1;
	}
	return 0;
}

/* Well below what one packet takes, whatever the server's setting (C13). */
static size_t
bytes_at_once(const struct engine *g)
{
	uint64_t packet = db_max_packet(g->db);

	return packet != 0 && packet / 4 < BATCH_BYTES ? (size_t)(packet / 4)
						       : BATCH_BYTES;
}

static int
ship_batch(struct engine *g, struct run *r)
{
	int64_t now = clock_mono_ms();
	struct err e = { 0 };

	if (queue_ship(g->db, &r->hold, (unsigned int)g->config->lease_s,
		g->batch.rows, g->batch.count, &r->shipped, &e) == -1) {
		statement_failed(g, r, &e, "ship");
		return -1;
	}
	link_worked(g, now);
	g->batch.count = 0;
	r->faults = 0;
	r->renewed_ms = now;
	return 0;
}

/* Fills the batch: 1 there may be more, 0 the end, -1 dealt with. */
static int
fill(struct engine *g, struct run *r, size_t bytes)
{
	struct err e = { 0 };
	int more;

	if (reader_ready(g, r) == -1)
		return -1;
	more = batch_fill(&g->batch, r->reader, bytes, &e);
	if (more == -1)
		ship_fault(r, &e, "read spool");
	return more;
}

enum ship_end
ship_run(struct engine *g, struct run *r, unsigned int batches)
{
	for (unsigned int i = 0; i < batches; i++) {
		int more = fill(g, r, bytes_at_once(g));

		if (more == -1)
			return SHIP_FAILED;
		if (g->batch.count > 0 && ship_batch(g, r) == -1)
			return SHIP_FAILED;
		if (more == 0)
			return SHIP_ALL;
	}
	return SHIP_MORE;
}

enum ship_end
ship_but_last(struct engine *g, struct run *r, unsigned int batches)
{
	for (unsigned int i = 0; i < batches; i++) {
		int more = fill(g, r, LAST_BYTES);

		if (more == -1)
			return SHIP_FAILED;
		if (more == 0)
			return SHIP_ALL;
		if (ship_batch(g, r) == -1)
			return SHIP_FAILED;
	}
	return SHIP_MORE;
}

int
ship_held(struct engine *g, struct run *r)
{
	return g->batch.count == 0 ? 0 : ship_batch(g, r);
}

static enum row_state
row_of(enum hold_state s)
{
	switch (s) {
	case HOLD_OURS:
		return ROW_OURS;
	case HOLD_CANCEL:
		return ROW_CANCEL;
	case HOLD_SUPERSEDED:
		break;
	}
	return ROW_SUPERSEDED;
}

void
ship_renew(struct engine *g, struct run *r, int64_t now_ms)
{
	enum hold_state state;
	struct err e = { 0 };

	if (job_of(&r->hold)->renew(g->db, g->id.owner, &r->hold,
		(unsigned int)g->config->lease_s, &state, &e) == -1) {
		link_failed(g, &e, "renew");
		if (e.kind != ERR_RETRY)
			ship_fault(r, &e, "renew");
		return;
	}
	r->row = row_of(state);
	r->renewed_ms = now_ms;
	r->renew_ms = now_ms + jittered(g->config->renew_s * 1000);
	link_worked(g, now_ms);
}
