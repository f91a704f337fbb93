/* What a user reads of his tasks: contract 3.2 to 3.4 and 3.6. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/task_row.h"
#include "store/task.h"
#include "util/utf8.h"

#define LIST_LIMIT_MAX 1000
#define PROMPT_SHOWN 50 /* characters of a prompt in a list */

static void
begin_success(struct json_out *j, struct call *c)
{
	json_start(j, &c->rs->body);
	json_open(j);
	json_name_text(j, "status", "success");
}

/* A status answer on its way. */
struct status_out {
	struct json_out j;
	struct call *c;
	bool pending;
};

static int
put_status(void *ctx, const struct task_row *row, struct err *e)
{
	struct status_out *out = ctx;
	struct json_out *j = &out->j;

	(void)e;
	begin_success(j, out->c);
	json_name(j, "task");
	json_open(j);
	json_name_int(j, "id", row->id);
	json_name_text(j, "status", row->status);
	json_name_string(j, "prompt", row->prompt, row->prompt_len);
	json_name_text(j, "repo_url", row->repo_url);
	json_name_text(j, "branch", row->target_branch);
	json_name_text(j, "model", row->agent);
	json_name_text(j, "commit_hash", row->commit_hash);
	json_name(j, "changed_files");
	if (row->changed_files_len > 0)
		json_raw(j, row->changed_files, row->changed_files_len);
	else
		json_raw(j, "[]", 2);
	json_name_text(j, "error", row->error);
	put_time(j, "created_at", row->created_at);
	put_project_id(j, row);
	out->pending = row->status != NULL &&
	    strcmp(row->status, task_state_name(TASK_PENDING)) == 0;
	return 0;
}

/*
 * The poll: one statement that proves user and task at once, written straight
 * into the answer; a second one only while the task waits in line.
 */
int
task_status_read(struct call *c, struct err *e)
{
	struct status_out out = { .c = c };
	struct task_place place = { .ahead = -1 };

	if (task_status_get(c->api->db, c->user_id, c->id, put_status, &out,
		e) == -1)
		return -1;
	if (out.pending && task_queue_place(c->api->db, c->id, &place, e) == -1)
		return -1;
	if (place.ahead >= 0)
		json_name_int(&out.j, "queue_position", place.ahead + 1);
	if (place.reason[0] != '\0')
		json_name_text(&out.j, "waiting_reason", place.reason);
	json_close(&out.j);
	json_close(&out.j);
	return 0;
}

/* A list on its way. */
struct list_out {
	struct json_out j;
	int64_t count;
	int64_t last_id;
};

static void
put_short_prompt(struct json_out *j, const struct task_row *row)
{
	char text[4 * PROMPT_SHOWN + 4];
	size_t n = utf8_prefix(row->prompt, row->prompt_len, PROMPT_SHOWN);

	if (n == row->prompt_len) {
		json_name_string(j, "prompt", row->prompt, n);
		return;
	}
	memcpy(text, row->prompt, n); /* a character has 4 bytes at most */
	memcpy(text + n, "...", 3);
	json_name_string(j, "prompt", text, n + 3);
}

static int
put_list_row(void *ctx, const struct task_row *row, struct err *e)
{
	struct list_out *out = ctx;
	struct json_out *j = &out->j;
	char key[24];

	(void)e;
	snprintf(key, sizeof(key), "%" PRId64, row->id);
	json_name(j, key);
	json_open(j);
	json_name_int(j, "id", row->id);
	json_name_text(j, "status", row->status);
	put_time(j, "created_at", row->created_at);
	put_short_prompt(j, row);
	json_name_bool(j, "has_patch", row->has_patch);
	put_project_id(j, row);
	json_name_text(j, "repo_url", row->repo_url);
	json_name_text(j, "agent", row->agent);
	put_json(j, "chat_messages", row->chat_messages,
	    row->chat_messages_len);
	json_close(j);
	out->count++;
	out->last_id = row->id;
	return 0;
}

static int
read_state(const char *query, enum task_state *state, struct err *e)
{
	char name[32];

	*state = TASK_STATE_N;
	if (!query_has(query, "status"))
		return 0;
	if (http_query_get(query, "status", name, sizeof(name)))
		*state = task_state_of(name);
	if (*state == TASK_STATE_N)
		return err_set(e, ERR_INVALID,
		    "status must be pending, running, completed, failed or "
		    "cancelled");
	return 0;
}

static int
read_filter(const char *query, struct task_filter *filter, struct err *e)
{
	const struct query_bounds limits = { 1, LIST_LIMIT_MAX };
	const struct query_bounds ids = { 1, INT64_MAX };
	int64_t limit = 0;

	memset(filter, 0, sizeof(*filter));
	filter->project_id = query_lenient_int(query, "project_id");
	if (query_whole(query, "limit", &limits, &limit, e) == -1)
		return -1;
	filter->limit = (unsigned int)limit;
	if (query_whole(query, "before", &ids, &filter->before, e) == -1)
		return -1;
	return read_state(query, &filter->status, e);
}

int
task_list_read(struct call *c, struct err *e)
{
	struct list_out out = { .count = 0 };
	struct task_filter filter;

	if (read_filter(c->rq->query, &filter, e) == -1)
		return -1;
	begin_success(&out.j, c);
	json_name(&out.j, "tasks");
	json_open(&out.j);
	if (task_list(c->api->db, c->user_id, &filter, put_list_row, &out, e) ==
	    -1)
		return -1;
	json_close(&out.j);
	json_name_int(&out.j, "total_tasks", out.count);
	/* Only to whom asks for pages: where the next one begins. */
	if (filter.limit > 0) {
		json_name(&out.j, "next_before");
		if (out.count == filter.limit)
			json_int(&out.j, out.last_id);
		else
			json_null(&out.j);
	}
	json_close(&out.j);
	return 0;
}

struct diff_out {
	struct json_out j;
	struct call *c;
};

int
task_full_read(struct call *c, struct err *e)
{
	return answer_task(c, e);
}

static int
put_diff_only(void *ctx, const struct task_row *row, struct err *e)
{
	struct diff_out *out = ctx;

	(void)e;
	begin_success(&out->j, out->c);
	put_diff(&out->j, row);
	json_name_int(&out->j, "task_id", row->id);
	json_close(&out->j);
	return 0;
}

int
task_diff_read(struct call *c, struct err *e)
{
	struct diff_out out = { .c = c };

	return task_diff_get(c->api->db, c->user_id, c->id, put_diff_only, &out,
	    e);
}

static int
put_patch_only(void *ctx, const struct task_row *row, struct err *e)
{
	struct call *c = ctx;
	char value[64];

	if (row->git_patch == NULL)
		return err_set(e, ERR_ABSENT, "Task has no patch");
	snprintf(value, sizeof(value),
	    "attachment; filename=\"task-%" PRId64 ".patch\"", row->id);
	http_response_header(c->rs, "Content-Disposition", value);
	c->rs->content_type = "text/x-patch";
	buf_add(&c->rs->body, row->git_patch, row->git_patch_len);
	return 0;
}

/* The patch byte for byte, as git am takes it. */
int
task_patch_read(struct call *c, struct err *e)
{
	return task_get(c->api->db, c->user_id, c->id, put_patch_only, c, e);
}
