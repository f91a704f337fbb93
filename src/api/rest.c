/*
 * GET /rest/v1/tasks: what the front end asks of its Supabase address, answered
 * as PostgREST would with row-level security: others' rows are not there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/rest_query.h"
#include "api/task_row.h"

#define ONE_OBJECT "application/vnd.pgrst.object+json"

struct rest_out {
	struct json_out j;
	bool one;
	int64_t count;
};

static void
put_names(struct json_out *j, const struct task_row *row)
{
	json_name(j, "project");
	if (row->project_name == NULL) {
		json_null(j);
		return;
	}
	json_open(j);
	json_name_int(j, "id", row->project_id);
	json_name_text(j, "name", row->project_name);
	json_name_text(j, "repo_name", row->project_repo_name);
	json_name_text(j, "repo_owner", row->project_repo_owner);
	json_close(j);
}

static int
put_row(void *ctx, const struct task_row *row, struct err *e)
{
	struct rest_out *out = ctx;
	struct json_out *j = &out->j;

	/* Who wants one object gets none of several: counting will do. */
	if (out->count++ > 0 && out->one)
		return 0;
	json_open(j);
	if (put_task_columns_in_list(j, row, e) == -1)
		return -1;
	put_names(j, row);
	json_close(j);
	return 0;
}

static int
refuse_count(struct call *c, int64_t count)
{
	char details[64];

	snprintf(details, sizeof(details),
	    "The result contains %" PRId64 " rows", count);
	answer_rest_error(c, 406, "PGRST116", details,
	    "JSON object requested, multiple (or no) rows returned");
	return 0;
}

static void
put_range(struct call *c, int64_t count)
{
	char range[32] = "*/*";

	if (count > 0)
		snprintf(range, sizeof(range), "0-%" PRId64 "/*", count - 1);
	http_response_header(c->rs, "Content-Range", range);
}

static int
read_rows(struct call *c, const struct rest_query *q, struct rest_out *out,
    struct err *e)
{
	const struct task_pick pick = { .id = q->id };

	if (q->id == 0 && strcmp(q->user_id, c->user_id) != 0)
		return 0; /* not his rows, so there are none */
	return task_list_full(c->api->db, c->user_id, &pick, put_row, out, e);
}

int
rest_tasks_read(struct call *c, struct err *e)
{
	struct rest_out out = { .one =
				    strstr(c->rq->accept, ONE_OBJECT) != NULL };
	struct rest_query q;

	if (rest_query_read(&q, c->rq->query, e) == -1) {
		answer_rest_error(c, 400, q.code, NULL, e->text);
		return 0;
	}
	json_start(&out.j, &c->rs->body);
	if (!out.one)
		json_open_array(&out.j);
	if (read_rows(c, &q, &out, e) == -1)
		return -1;
	if (out.one && out.count != 1)
		return refuse_count(c, out.count);
	if (out.one)
		c->rs->content_type = ONE_OBJECT "; charset=utf-8";
	else
		json_close_array(&out.j);
	put_range(c, out.count);
	return 0;
}
