/* Whether and how the service stands: contract 6, and what probes ask. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "db/migrate.h"
#include "store/machine.h"
#include "util/clock.h"
#include "util/log.h"

/* A reaper beats every few seconds; one that was silent so long is away. */
#define REAPER_FRESH_S 30.0

#define DETAIL_MAX 96

int
health_root(struct call *c, struct err *e)
{
	static const char *const endpoints[] = { "/ping", "/start-task",
		"/task-status", "/git-diff", "/create-pr" };
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "message", "Claude Code Automation API");
	json_name(&j, "endpoints");
	json_open_array(&j);
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
		json_text(&j, endpoints[i]);
	json_close_array(&j);
	json_close(&j);
	return 0;
}

int
health_ping(struct call *c, struct err *e)
{
	char seconds[32];
	struct json_out j;
	int n;

	(void)e;
	n = snprintf(seconds, sizeof(seconds), "%.6f",
	    (double)clock_wall_us() / 1e6);
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "message", "pong");
	json_name(&j, "timestamp");
	json_raw(&j, seconds, (size_t)n);
	json_close(&j);
	return 0;
}

/* GET /healthz: this process answers, whatever the others do. */
int
health_alive(struct call *c, struct err *e)
{
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "alive");
	json_close(&j);
	return 0;
}

/* GET /api/mode: what a task started now would run in, and by whom. */
int
health_mode(struct call *c, struct err *e)
{
	const struct agent_list *l = &c->api->agents;
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "mode", config_mode(c->api->cfg));
	json_name(&j, "agents");
	json_open_array(&j);
	for (size_t i = 0; i < l->count; i++)
		if (!l->agents[i].hidden)
			json_text(&j, l->agents[i].name);
	json_close_array(&j);
	json_close(&j);
	return 0;
}

int
health_openapi(struct call *c, struct err *e)
{
	const struct buf *text = &c->api->openapi;

	if (text->len == 0)
		return err_set(e, ERR_ABSENT, "Not found");
	buf_add(&c->rs->body, text->data, text->len);
	return 0;
}

/*
 * One check of readiness. Returns whether it is so; detail says more and holds
 * nothing that only the admin should see. What went wrong inside is left
 * in *e.
 */
typedef bool check_fn(struct api *a, char detail[DETAIL_MAX], struct err *e);

static bool
check_database(struct api *a, char detail[DETAIL_MAX], struct err *e)
{
	bool ok = db_ping(a->db, e) == 0;

	snprintf(detail, DETAIL_MAX, "%s", ok ? "reachable" : "not reachable");
	return ok;
}

static bool
check_schema(struct api *a, char detail[DETAIL_MAX], struct err *e)
{
	unsigned int version = 0;

	if (migrate_version(a->db, &version, e) == -1) {
		snprintf(detail, DETAIL_MAX, "not known");
		return false;
	}
	snprintf(detail, DETAIL_MAX, "version %u, needed %u", version,
	    (unsigned int)SCHEMA_VERSION);
	return migrate_fits(version);
}

static bool
check_reaper(struct api *a, char detail[DETAIL_MAX], struct err *e)
{
	char trouble[MACHINE_TROUBLE_MAX];
	double age_s = -1;

	if (machine_age_s(a->db, &age_s, e) == -1 ||
	    machine_trouble(a->db, (unsigned int)REAPER_FRESH_S, trouble, e) ==
		-1) {
		snprintf(detail, DETAIL_MAX, "not known");
		return false;
	}
	if (age_s < 0) {
		snprintf(detail, DETAIL_MAX, "never seen");
		return false;
	}
	snprintf(detail, DETAIL_MAX, "seen %.0f s ago%s%.40s", age_s,
	    trouble[0] == '\0' ? "" : ", takes no tasks: ", trouble);
	return age_s <= REAPER_FRESH_S && trouble[0] == '\0';
}

static bool
check_pool(struct api *a, char detail[DETAIL_MAX], struct err *e)
{
	int64_t held_until_ms;
	int alive = 0;

	(void)e;
	if (a->board == NULL) {
		snprintf(detail, DETAIL_MAX, "not supervised");
		return true;
	}
	for (int i = 0; i < POOL_WORKERS_MAX; i++)
		alive += atomic_load(&a->board->slots[i].state) != WORKER_NONE;
	if (atomic_load(&a->board->draining)) {
		snprintf(detail, DETAIL_MAX, "leaving");
		return false;
	}
	held_until_ms = atomic_load(&a->board->crash_loop_until_ms);
	if (held_until_ms > clock_mono_ms()) {
		snprintf(detail, DETAIL_MAX, "%d workers, new ones die at once",
		    alive);
		return false;
	}
	snprintf(detail, DETAIL_MAX, "%d workers", alive);
	return true;
}

static const struct {
	const char *name;
	check_fn *check;
} checks[] = {
	{ "database", check_database },
	{ "schema", check_schema },
	{ "reaper", check_reaper },
	{ "pool", check_pool },
};

/* GET /readyz: whether a task accepted now would get done. */
int
health_ready(struct call *c, struct err *e)
{
	char detail[DETAIL_MAX];
	bool ready = true;
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name(&j, "checks");
	json_open(&j);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		bool ok;

		e->kind = ERR_NONE;
		ok = checks[i].check(c->api, detail, e);
		if (e->kind != ERR_NONE)
			log_err(LOG_WARN, e, "not-ready id=%s check=%s",
			    c->rq->request_id, checks[i].name);
		json_name(&j, checks[i].name);
		json_open(&j);
		json_name_bool(&j, "ok", ok);
		json_name_text(&j, "detail", detail);
		json_close(&j);
		ready = ready && ok;
	}
	json_close(&j);
	json_name_bool(&j, "ready", ready);
	json_close(&j);
	c->rs->status = ready ? 200 : 503;
	if (!ready)
		http_response_header(c->rs, "Retry-After", "5");
	return 0;
}
