/* Projects: contract 5. */
#include "api/call.h"
#include "api/project_input.h"
#include "api/task_row.h"
#include "store/project.h"

#define TAKEN "A project for this repository already exists"

static void
begin_success(struct json_out *j, struct call *c)
{
	json_start(j, &c->rs->body);
	json_open(j);
	json_name_text(j, "status", "success");
}

static int
put_project(void *ctx, const struct project_row *row, struct err *e)
{
	struct json_out *j = ctx;

	(void)e;
	json_open(j);
	json_name_int(j, "id", row->id);
	json_name_text(j, "user_id", row->user_id);
	json_name_text(j, "repo_url", row->repo_url);
	json_name_text(j, "repo_name", row->repo_name);
	json_name_text(j, "repo_owner", row->repo_owner);
	json_name_string(j, "name", row->name, row->name_len);
	json_name(j, "description");
	if (row->description == NULL)
		json_null(j);
	else
		json_string(j, row->description, row->description_len);
	json_name_bool(j, "is_active", row->is_active);
	put_json(j, "settings", row->settings, row->settings_len);
	put_time(j, "created_at", row->created_at);
	put_time(j, "updated_at", row->updated_at);
	json_name_bool(j, "is_test_data", row->is_test_data);
	json_close(j);
	return 0;
}

/* {"status":"success","project":{...}} */
static int
answer_project(struct call *c, int64_t id, struct err *e)
{
	struct json_out j;

	begin_success(&j, c);
	json_name(&j, "project");
	if (project_get(c->api->db, c->user_id, id, put_project, &j, e) == -1)
		return -1;
	json_close(&j);
	return 0;
}

int
project_list_read(struct call *c, struct err *e)
{
	struct json_out j;

	begin_success(&j, c);
	json_name(&j, "projects");
	json_open_array(&j);
	if (project_list(c->api->db, c->user_id, put_project, &j, e) == -1)
		return -1;
	json_close_array(&j);
	json_close(&j);
	return 0;
}

/* The one conflict that there can be (D26). */
static int
refuse_twin(struct call *c, const struct err *e)
{
	return e->kind == ERR_CONFLICT ? call_refuse(c, 409, TAKEN) : -1;
}

int
project_post(struct call *c, struct err *e)
{
	struct project_input in = { 0 };
	int64_t id = 0;
	int rc = -1;

	if (project_input_new(&in, c, e) == -1)
		goto out;
	if (project_add(c->api->db, c->user_id, &in.values, &id, e) == -1)
		rc = refuse_twin(c, e);
	else
		rc = answer_project(c, id, e);
out:
	project_input_clear(&in);
	return rc;
}

int
project_read(struct call *c, struct err *e)
{
	return answer_project(c, c->id, e);
}

int
project_put(struct call *c, struct err *e)
{
	struct project_input in = { 0 };
	int rc = -1;

	if (project_input_change(&in, c, e) == -1)
		goto out;
	if (project_update(c->api->db, c->user_id, c->id, &in.values, e) == -1)
		rc = refuse_twin(c, e);
	else
		rc = answer_project(c, c->id, e);
out:
	project_input_clear(&in);
	return rc;
}

/* DELETE /api/projects/<id>: the reaper stops what runs. */
int
project_remove(struct call *c, struct err *e)
{
	struct json_out j;

	if (project_delete(c->api->db, c->user_id, c->id, e) == -1)
		return -1;
	poke_send(c->api->poke);
	begin_success(&j, c);
	json_name_text(&j, "message", "Project deleted successfully");
	json_close(&j);
	return 0;
}

static int
put_task(void *ctx, const struct task_row *row, struct err *e)
{
	struct json_out *j = ctx;

	json_open(j);
	if (put_task_columns_in_list(j, row, e) == -1)
		return -1;
	json_close(j);
	return 0;
}

int
project_tasks_read(struct call *c, struct err *e)
{
	const struct task_pick pick = { .project_id = c->id };
	struct json_out j;

	if (project_check(c->api->db, c->user_id, c->id, e) == -1)
		return -1;
	begin_success(&j, c);
	json_name(&j, "tasks");
	json_open_array(&j);
	if (task_list_full(c->api->db, c->user_id, &pick, put_task, &j, e) ==
	    -1)
		return -1;
	json_close_array(&j);
	json_close(&j);
	return 0;
}
