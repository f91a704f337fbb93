#include "api/task_row.h"

#include <string.h>

#include "api/call.h"
#include "util/utf8.h"

#define PATCH_SHOWN_MAX HTTP_BODY_MAX

void
put_time(struct json_out *j, const char *name, const char *time)
{
	json_name_text(j, name, time != NULL && *time != '\0' ? time : NULL);
}

void
put_json(struct json_out *j, const char *name, const char *json, size_t len)
{
	json_name(j, name);
	if (json == NULL || len == 0)
		json_null(j);
	else
		json_raw(j, json, len);
}

void
put_project_id(struct json_out *j, const struct task_row *row)
{
	json_name(j, "project_id");
	if (row->has_project)
		json_int(j, row->project_id);
	else
		json_null(j);
}

void
put_diff(struct json_out *j, const struct task_row *row)
{
	json_name(j, "git_diff");
	if (row->git_diff == NULL)
		json_null(j);
	else
		json_string(j, row->git_diff, row->git_diff_len);
}

/*
 * A patch is bytes, and files need not be UTF-8: shown as JSON, bad bytes are
 * replaced. Who wants to apply it takes /api/tasks/<id>/patch.
 */
static int
put_patch(struct json_out *j, const struct task_row *row, struct err *e)
{
	struct buf clean = BUF(PATCH_SHOWN_MAX);
	int rc = -1;

	if (row->git_patch == NULL ||
	    utf8_valid(row->git_patch, row->git_patch_len)) {
		json_name(j, "git_patch");
		if (row->git_patch == NULL)
			json_null(j);
		else
			json_string(j, row->git_patch, row->git_patch_len);
		return 0;
	}
	utf8_clean(&clean, row->git_patch, row->git_patch_len);
	if (!buf_ok(&clean)) {
		err_set(e, ERR_BROKEN, "the patch does not fit");
		goto out;
	}
	json_name_string(j, "git_patch", clean.data, clean.len);
	rc = 0;
out:
	buf_clear(&clean);
	return rc;
}

static void
put_identity(struct json_out *j, const struct task_row *row)
{
	json_name_int(j, "id", row->id);
	json_name_text(j, "user_id", row->user_id);
	put_project_id(j, row);
	json_name_text(j, "status", row->status);
	json_name_text(j, "agent", row->agent);
	json_name_text(j, "repo_url", row->repo_url);
	json_name_text(j, "target_branch", row->target_branch);
	json_name_text(j, "pr_branch", row->pr_branch);
	json_name_text(j, "container_id", row->container_id);
	json_name_text(j, "commit_hash", row->commit_hash);
	json_name(j, "pr_number");
	if (row->has_pr_number)
		json_int(j, row->pr_number);
	else
		json_null(j);
	json_name_text(j, "pr_url", row->pr_url);
}

int
put_task_columns(struct json_out *j, const struct task_row *row, struct err *e)
{
	put_identity(j, row);
	put_diff(j, row);
	if (put_patch(j, row, e) == -1)
		return -1;
	put_json(j, "changed_files", row->changed_files,
	    row->changed_files_len);
	json_name_text(j, "error", row->error);
	put_json(j, "chat_messages", row->chat_messages,
	    row->chat_messages_len);
	put_json(j, "execution_metadata", row->execution_metadata,
	    row->execution_metadata_len);
	put_time(j, "created_at", row->created_at);
	put_time(j, "updated_at", row->updated_at);
	put_time(j, "started_at", row->started_at);
	put_time(j, "completed_at", row->completed_at);
	json_name_bool(j, "is_test_data", row->is_test_data);
	return 0;
}

int
put_task_columns_in_list(struct json_out *j, const struct task_row *row,
    struct err *e)
{
	struct task_row slim = *row;

	if (j->to->len <= LIST_BULK_MAX)
		return put_task_columns(j, row, e);
	slim.git_diff = slim.git_patch = NULL;
	slim.execution_metadata = "{}";
	slim.execution_metadata_len = 2;
	return put_task_columns(j, &slim, e);
}

static int
put_answer(void *ctx, const struct task_row *row, struct err *e)
{
	struct call *c = ctx;
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name(&j, "task");
	json_open(&j);
	if (put_task_columns(&j, row, e) == -1)
		return -1;
	json_close(&j);
	json_close(&j);
	return 0;
}

int
answer_task(struct call *c, struct err *e)
{
	return task_get(c->api->db, c->user_id, c->id, put_answer, c, e);
}
