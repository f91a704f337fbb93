/*
 * What the pool and the queue are doing, for people (/status) and for
 * Prometheus (/metrics). The web server shows both to the machine itself only.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "api/call.h"
#include "store/machine.h"
#include "store/queue.h"
#include "util/clock.h"
#include "util/log.h"

#define CLASSES 6 /* of a status: 1xx to 5xx are [1] to [5] */

static const char *const worker_states[] = {
	[WORKER_NONE] = "none",
	[WORKER_IDLE] = "idle",
	[WORKER_BUSY] = "busy",
};

#define WORKER_STATES (int)(sizeof(worker_states) / sizeof(worker_states[0]))

/* A slot's state; what cannot be is none. */
static int
slot_state(const struct worker_slot *slot)
{
	int state = atomic_load(&slot->state);

	return state > WORKER_NONE && state < WORKER_STATES ? state
							    : WORKER_NONE;
}

/*
 * The queue's numbers; false when the database is away, which is itself a
 * thing to show and no reason to show nothing.
 */
static bool
queue_numbers(struct call *c, struct queue_counts *q)
{
	struct err e = { 0 };

	if (queue_counts_get(c->api->db, q, &e) == 0)
		return true;
	log_err(LOG_WARN, &e, "no-queue-numbers id=%s", c->rq->request_id);
	return false;
}

static void
put_workers(struct json_out *j, const struct scoreboard *b)
{
	int64_t now_ms = clock_mono_ms();

	json_name(j, "workers");
	json_open_array(j);
	for (int i = 0; i < POOL_WORKERS_MAX; i++) {
		const struct worker_slot *slot = &b->slots[i];
		int state = slot_state(slot);

		if (state == WORKER_NONE)
			continue;
		json_open(j);
		json_name_int(j, "slot", i);
		json_name_int(j, "pid", atomic_load(&slot->pid));
		json_name_text(j, "state", worker_states[state]);
		json_name_int(j, "for_ms",
		    now_ms - atomic_load(&slot->since_ms));
		json_name_int(j, "age_ms",
		    now_ms - atomic_load(&slot->born_ms));
		json_name_int(j, "requests",
		    (int64_t)atomic_load(&slot->requests));
		json_close(j);
	}
	json_close_array(j);
}

static void
put_pool(struct json_out *j, const struct scoreboard *b)
{
	static const char *const classes[CLASSES] = { NULL, "1xx", "2xx", "3xx",
		"4xx", "5xx" };

	json_name_int(j, "uptime_ms",
	    clock_mono_ms() - atomic_load(&b->started_ms));
	json_name_int(j, "requests", (int64_t)atomic_load(&b->requests));
	json_name_int(j, "errors", (int64_t)atomic_load(&b->errors));
	json_name(j, "answers");
	json_open(j);
	for (int i = 1; i < CLASSES; i++)
		json_name_int(j, classes[i],
		    (int64_t)atomic_load(&b->status_class[i]));
	json_close(j);
	json_name_int(j, "busy_us", (int64_t)atomic_load(&b->busy_us));
	json_name_int(j, "deaths", (int64_t)atomic_load(&b->deaths));
	json_name_int(j, "killed", (int64_t)atomic_load(&b->killed));
	json_name_int(j, "reloads", (int64_t)atomic_load(&b->reloads));
	json_name_int(j, "reaper_pid", atomic_load(&b->reaper_pid));
	put_workers(j, b);
}

int
status_json(struct call *c, struct err *e)
{
	const struct scoreboard *b = c->api->board;
	struct queue_counts q;
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "mode", config_mode(c->api->cfg));
	json_name(&j, "pool");
	if (b == NULL) {
		json_null(&j); /* started alone: nobody keeps a scoreboard */
	} else {
		json_open(&j);
		put_pool(&j, b);
		json_close(&j);
	}
	json_name(&j, "queue");
	if (!queue_numbers(c, &q)) {
		json_null(&j);
	} else {
		json_open(&j);
		json_name_int(&j, "pending", q.pending);
		json_name_int(&j, "running", q.running);
		json_name_int(&j, "oldest_pending_s", q.oldest_pending_s);
		json_close(&j);
	}
	json_close(&j);
	return 0;
}

/* A metric's head: its name, kind and what it means. */
static void
metric(struct buf *b, const char *name, const char *kind, const char *help)
{
	buf_addf(b, "# HELP taskmill_%s %s\n# TYPE taskmill_%s %s\n", name,
	    help, name, kind);
}

static void
metric_one(struct buf *b, const char *name, const char *kind, const char *help,
    int64_t value)
{
	metric(b, name, kind, help);
	buf_addf(b, "taskmill_%s %" PRId64 "\n", name, value);
}

static void
put_worker_metrics(struct buf *out, const struct scoreboard *b,
    const char *name, const char *help)
{
	int counts[WORKER_BUSY + 1] = { 0 };

	for (int i = 0; i < POOL_WORKERS_MAX; i++)
		counts[slot_state(&b->slots[i])]++;
	metric(out, name, "gauge", help);
	for (int s = WORKER_IDLE; s <= WORKER_BUSY; s++)
		buf_addf(out, "taskmill_%s{state=\"%s\"} %d\n", name,
		    worker_states[s], counts[s]);
}

static void
put_pool_metrics(struct buf *out, const struct scoreboard *b)
{
	metric_one(out, "requests_total", "counter",
	    "Requests since the start.", (int64_t)atomic_load(&b->requests));
	metric(out, "responses_total", "counter", "Answers by class.");
	for (int i = 1; i < CLASSES; i++)
		buf_addf(out,
		    "taskmill_responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
		    atomic_load(&b->status_class[i]));
	metric(out, "busy_seconds_total", "counter",
	    "Time that workers spent in requests.");
	buf_addf(out, "taskmill_busy_seconds_total %.6f\n",
	    (double)atomic_load(&b->busy_us) / 1e6);
	metric_one(out, "worker_deaths_total", "counter",
	    "Workers that died unasked.", (int64_t)atomic_load(&b->deaths));
	metric_one(out, "worker_kills_total", "counter",
	    "Workers killed for exceeding REQUEST_LIMIT_S.",
	    (int64_t)atomic_load(&b->killed));
	metric_one(out, "reloads_total", "counter",
	    "Times the configuration was read again.",
	    (int64_t)atomic_load(&b->reloads));
	put_worker_metrics(out, b, "workers", "API workers by what they do.");
}

/* All of them busy for long: GitHub is slow. */
static void
put_outbound_metrics(struct buf *out, const struct scoreboard *b)
{
	put_worker_metrics(out, b, "outbound_workers",
	    "Workers that call GitHub, by what they do.");
	metric_one(out, "outbound_requests_total", "counter",
	    "Requests that call GitHub, since the start.",
	    (int64_t)atomic_load(&b->requests));
	metric_one(out, "outbound_worker_kills_total", "counter",
	    "Their workers killed for exceeding OUTBOUND_LIMIT_S.",
	    (int64_t)atomic_load(&b->killed));
}

/* Of cloud sandboxes; nothing where there never was one to be seen. */
static void
put_cloud_metrics(struct buf *out, struct call *c)
{
	struct machine_cloud m;
	struct err e = { 0 };

	if (machine_cloud_get(c->api->db, &m, &e) == -1) {
		log_err(LOG_WARN, &e, "no-cloud-numbers id=%s",
		    c->rq->request_id);
		return;
	}
	if (m.sandboxes < 0)
		return;
	metric_one(out, "sandboxes", "gauge",
	    "Cloud sandboxes of this deployment, as last looked at.",
	    m.sandboxes);
	metric_one(out, "sandboxes_age_seconds", "gauge",
	    "How long ago that was.", m.age_s);
	metric_one(out, "sandboxes_killed_total", "counter",
	    "Cloud sandboxes that no task owned and that were ended.",
	    m.killed);
}

int
status_metrics(struct call *c, struct err *e)
{
	struct buf *out = &c->rs->body;
	struct queue_counts q;
	bool up = queue_numbers(c, &q);

	(void)e;
	c->rs->content_type = "text/plain; version=0.0.4; charset=utf-8";
	if (c->api->board != NULL)
		put_pool_metrics(out, c->api->board);
	if (c->api->board != NULL && c->api->board->outbound != NULL)
		put_outbound_metrics(out, c->api->board->outbound);
	metric_one(out, "database_up", "gauge",
	    "Whether the database answered this request.", up);
	if (!up)
		return 0;
	metric(out, "tasks", "gauge", "Tasks that have not ended.");
	buf_addf(out,
	    "taskmill_tasks{status=\"pending\"} %" PRId64 "\n"
	    "taskmill_tasks{status=\"running\"} %" PRId64 "\n",
	    q.pending, q.running);
	metric_one(out, "oldest_pending_seconds", "gauge",
	    "Age of the longest waiting task.", q.oldest_pending_s);
	put_cloud_metrics(out, c);
	return 0;
}
