/* Accepting and cancelling a task: contract 3.1, reliability 7 and 11. */
#include <stdio.h>

#include "api/call.h"
#include "api/sealing.h"
#include "api/start_input.h"
#include "store/task.h"

#define TOO_MANY_RETRY_S 30

/* Seals the credential and writes the task down. */
static int
accept_task(struct call *c, const struct start_input *in,
    enum task_start_end *end, int64_t *id, struct err *e)
{
	struct sealing s;
	uint8_t hash[SHA256_BYTES];
	struct task_new t = { .user_id = c->user_id };
	int rc = -1;

	if (sealing_make(&s, c, in->github_token, e) == -1)
		goto out;
	if (start_input_hash(in, hash, e) == -1)
		goto out;
	t.project_id = in->project_id;
	t.prompt = in->prompt;
	t.repo_url = in->repo.stored;
	t.branch = in->branch;
	t.agent = in->model;
	t.agent_model = in->agent_model;
	t.key_id = s.key_id;
	t.nonce = s.owner.nonce;
	t.sealed = s.sealed.data;
	t.sealed_len = s.sealed.len;
	t.idem_key = in->idem_key;
	t.req_hash = in->idem_key != NULL ? hash : NULL;
	t.most_live = (unsigned int)c->api->cfg->tasks_live_per_user;
	rc = task_start(c->api->db, &t, end, id, e);
out:
	sealing_clear(&s);
	return rc;
}

static int
refuse_full(struct call *c)
{
	char text[160];

	snprintf(text, sizeof(text),
	    "Too many tasks: %ld have not ended yet, which is the most that "
	    "a user may have (TASKS_LIVE_PER_USER)",
	    c->api->cfg->tasks_live_per_user);
	return call_refuse_for(c, TOO_MANY_RETRY_S, text);
}

static int
answer_started(struct call *c, int64_t id)
{
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_int(&j, "task_id", id);
	json_name_text(&j, "message", "Task started successfully");
	json_close(&j);
	return 0;
}

static int
answer_start(struct call *c, enum task_start_end end, int64_t id, struct err *e)
{
	switch (end) {
	case TASK_STARTED:
		poke_send(c->api->poke);
		return answer_started(c, id);
	case TASK_REPLAYED:
		http_response_header(c->rs, "Idempotency-Replayed", "true");
		return answer_started(c, id);
	case TASK_KEY_REUSED:
		return call_refuse(c, 422,
		    "Idempotency-Key was used with a different request");
	case TASK_NO_PROJECT:
		return err_set(e, ERR_ABSENT, "Project not found");
	case TASK_LIVE_FULL:
		return refuse_full(c);
	}
	return err_set(e, ERR_BROKEN, "no such end of a start: %d", (int)end);
}

int
task_start_post(struct call *c, struct err *e)
{
	struct start_input in = { 0 };
	enum task_start_end end;
	int64_t id = 0;
	int rc = -1;

	if (start_input_read(&in, c, e) == -1)
		goto out;
	/* A task that nobody will hear of is better not begun. */
	if (!call_client_there(c)) {
		rc = call_refuse_gone(c);
		goto out;
	}
	if (accept_task(c, &in, &end, &id, e) == -1)
		goto out;
	rc = answer_start(c, end, id, e);
out:
	start_input_clear(&in);
	return rc;
}

static int
answer_cancelled(struct call *c, enum task_state now)
{
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name(&j, "task");
	json_open(&j);
	json_name_int(&j, "id", c->id);
	json_name_text(&j, "status", task_state_name(now));
	json_name_bool(&j, "cancel_requested", true);
	json_close(&j);
	json_close(&j);
	return 0;
}

/* POST /api/tasks/<id>/cancel; a body is not read. */
int
task_cancel_post(struct call *c, struct err *e)
{
	enum task_state now = TASK_STATE_N;
	char text[64];

	if (task_cancel(c->api->db, c->user_id, c->id, &now, e) == -1) {
		if (e->kind != ERR_CONFLICT || now == TASK_STATE_N)
			return -1;
		snprintf(text, sizeof(text), "Task has already ended: %s",
		    task_state_name(now));
		return call_refuse(c, 409, text);
	}
	poke_send(c->api->poke);
	return answer_cancelled(c, now);
}
