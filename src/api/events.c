/* GET /api/tasks/<id>/events: a page of what has happened to a task. */
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "store/task.h"

#define EVENTS_MAX 1000
#define STATE_TEXT 16

static int
keep_state(void *ctx, const struct task_row *row, struct err *e)
{
	char *state = ctx;

	(void)e;
	snprintf(state, STATE_TEXT, "%s",
	    row->status != NULL ? row->status : "");
	return 0;
}

struct events_out {
	struct json_out j;
	int64_t last_seq;
};

static int
put_event(void *ctx, const struct event_row *row, struct err *e)
{
	struct events_out *out = ctx;
	struct json_out *j = &out->j;

	(void)e;
	json_open(j);
	json_name_int(j, "seq", row->seq);
	json_name_text(j, "kind", row->kind);
	json_name_text(j, "created_at", row->created_at);
	json_name(j, "data");
	if (row->data_len > 0)
		json_raw(j, row->data, row->data_len);
	else
		json_null(j);
	json_close(j);
	out->last_seq = row->seq;
	return 0;
}

int
task_events_read(struct call *c, struct err *e)
{
	const struct query_bounds seqs = { 0, INT64_MAX };
	const struct query_bounds limits = { 1, EVENTS_MAX };
	struct events_out out = { .last_seq = 0 };
	char state[STATE_TEXT] = "";
	int64_t limit = EVENTS_MAX;
	int64_t after = 0;

	if (query_whole(c->rq->query, "after", &seqs, &after, e) == -1 ||
	    query_whole(c->rq->query, "limit", &limits, &limit, e) == -1)
		return -1;
	/*
	 * The state first: whoever reads in it that the task has ended can
	 * rely on its last event being there to be read.
	 */
	if (task_status_get(c->api->db, c->user_id, c->id, keep_state, state,
		e) == -1)
		return -1;
	json_start(&out.j, &c->rs->body);
	json_open(&out.j);
	json_name_text(&out.j, "status", "success");
	json_name(&out.j, "events");
	json_open_array(&out.j);
	out.last_seq = after;
	if (task_events(c->api->db, c->user_id, c->id, after,
		(unsigned int)limit, put_event, &out, e) == -1)
		return -1;
	json_close_array(&out.j);
	json_name_int(&out.j, "last_seq", out.last_seq);
	json_name_text(&out.j, "task_status", state);
	json_close(&out.j);
	return 0;
}
