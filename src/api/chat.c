/* What is said about a task (contract 3.5), and the import of old (3.8). */
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/task_row.h"
#include "util/utf8.h"

#define CONTENT_MAX 10000 /* characters */

/* Absent or null is "user"; any other value must name one of the two. */
static int
read_role(const char **role, struct json_object *body, struct err *e)
{
	size_t len;

	*role = "user";
	if (json_get_string(body, "role", role, &len) == JSON_MISTYPED)
		return err_set(e, ERR_INVALID, "role must be a string");
	if (strcmp(*role, "user") != 0 && strcmp(*role, "assistant") != 0)
		return err_set(e, ERR_INVALID,
		    "role must be either \"user\" or \"assistant\"");
	return 0;
}

static int
read_message(struct chat_new *m, struct json_object *body, struct err *e)
{
	struct body_text content;

	if (json_member_falsy(body, "content"))
		return err_set(e, ERR_INVALID, "content is required");
	if (body_string(body, "content", &content, e) == -1)
		return -1;
	if (utf8_length(content.s, content.len) > CONTENT_MAX)
		return err_set(e, ERR_INVALID,
		    "content must be at most %d characters", CONTENT_MAX);
	m->content = content.s;
	m->content_len = content.len;
	return read_role(&m->role, body, e);
}

/* POST /api/tasks/<id>/chat: adds one message; no agent runs. */
int
task_chat_post(struct call *c, struct err *e)
{
	struct chat_new m = { 0 };

	if (read_message(&m, c->body, e) == -1 ||
	    task_chat_add(c->api->db, c->user_id, c->id, &m, e) == -1)
		return -1;
	return answer_task(c, e);
}

/*
 * POST /api/migrate-legacy-tasks: as if there were nothing to import, for
 * whoever asked would get everybody's tasks (D20). "taskmill import" does it.
 */
int
task_legacy_post(struct call *c, struct err *e)
{
	struct json_out j;

	(void)e;
	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "message", "No legacy tasks file found");
	json_name_int(&j, "migrated", 0);
	json_close(&j);
	return 0;
}
