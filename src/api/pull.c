/*
 * POST /api/create-pr/<id>: contract 4.2, D23 to D25, reliability 12.
 *
 * The branch is a runner's work, for which this request waits; then the pull
 * request is opened. Each step may be repeated: whoever asks again joins
 * the work that is under way, or goes on behind what is done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/pull.h"
#include "api/sealing.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/utf8.h"

#define LOOK_MS 200
#define AFTER_PUSH_S 25 /* what is kept of the limit to open the request */
#define STILL_RETRY_S "5"
#define LOOKS 10 /* for the answer of a twin of this request */

static int
take_text(const struct call *c, const char *name, size_t max_chars,
    struct body_text *text, struct err *e)
{
	if (body_string(c->body, name, text, e) == -1)
		return -1;
	if (utf8_length(text->s, text->len) > max_chars)
		return err_set(e, ERR_INVALID,
		    "%s must be at most %zu characters", name, max_chars);
	return 0;
}

/* In the contract's order; *refused: answered. */
static int
check_task(struct call *c, struct pull *p, bool *refused, struct err *e)
{
	*refused = true;
	if (publish_task_get(c->api->db, c->user_id, c->id, &p->task, e) == -1)
		return -1;
	if (p->task.status != TASK_COMPLETED)
		return call_refuse(c, 400, "Task not completed yet");
	if (p->task.patch_bytes == 0)
		return call_refuse(c, 400,
		    "No patch data available for this task");
	if (c->body == NULL || json_member_falsy(c->body, "github_token"))
		return call_refuse(c, 400, "github_token is required");
	*refused = false;
	if (body_string(c->body, "github_token", &p->token, e) == -1 ||
	    take_text(c, "title", HOST_TITLE_MAX, &p->title, e) == -1 ||
	    take_text(c, "body", HOST_BODY_MAX, &p->body, e) == -1)
		return -1;
	if (p->task.changed_files[0] != '\0' &&
	    json_read(&p->files, p->task.changed_files,
		strlen(p->task.changed_files), e) == -1) {
		e->kind = ERR_BROKEN;
		return -1;
	}
	return 0;
}

/* Only what GitHub's API knows, and what is still allowed, is asked for. */
static int
check_url(struct call *c, struct pull *p, bool *refused)
{
	const struct config *cfg = c->api->cfg;
	const struct repo_policy policy = { cfg->repo_allowed_hosts,
		cfg->repo_allow_http };
	struct err e = { 0 };

	*refused = true;
	if (repo_url_read(&p->url, p->task.repo_url, &policy, &e) == -1)
		return call_refuse(c, 422, e.text);
	if (!outbound_serves(p->host, &p->url))
		return call_refuse(c, 422,
		    "Pull requests can be made on the host of GITHUB_API_URL "
		    "only, and the repository is on another one");
	*refused = false;
	return 0;
}

/* What can be known before any work is done. */
static int
check_repo(struct call *c, struct pull *p, bool *refused)
{
	struct host_place at = { p->token.s, p->url.owner, p->url.name };
	struct host_failure f = { .retry_after_s = -1 };
	struct host_ref base;

	*refused = true;
	if (p->host->repo(p->host->self, &at, &p->repo, &f) == -1)
		return pull_refuse(c, p, &f);
	if (p->repo.archived || p->repo.disabled) {
		f.outcome = p->repo.archived ? HOST_ARCHIVED : HOST_BLOCKED;
		return pull_refuse(c, p, &f);
	}
	if (!p->repo.may_push) {
		f.outcome = HOST_NO_PERMISSION;
		return pull_refuse(c, p, &f);
	}
	at.owner = p->repo.owner;
	at.name = p->repo.name;
	if (p->host->branch(p->host->self, &at, p->task.branch, &base, &f) ==
	    -1)
		return pull_refuse(c, p, &f);
	if (!base.found)
		return pull_refuse_base(c, p);
	*refused = false;
	return 0;
}

/* Writes the wish down, or joins one that is there. */
static int
request_push(struct call *c, struct pull *p, struct err *e)
{
	bool http = strncmp(p->url.clone, "http://", 7) == 0;
	char url[REPO_URL_MAX + 1];
	struct publish_new n = { .user_id = c->user_id,
		.task_id = c->id,
		.repo_url = url,
		.base_branch = p->task.branch };
	struct sealing s;
	int rc = -1;

	(void)snprintf(url, sizeof(url), "%s://%s/%s/%s",
	    http ? "http" : "https", p->url.host, p->repo.owner, p->repo.name);
	if (sealing_make(&s, c, p->token.s, e) == 0) {
		n.key_id = s.key_id;
		n.nonce = s.owner.nonce;
		n.sealed = s.sealed.data;
		n.sealed_len = s.sealed.len;
		FAULT_POINT("publish.before_request");
		rc = publish_request(c->api->db, &n, e);
		FAULT_POINT("publish.after_request");
	}
	sealing_clear(&s);
	if (rc == 0)
		poke_send(c->api->poke);
	return rc;
}

static void
pause_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&t, NULL); /* a signal that cuts it short is no harm */
}

static bool
is_under_way(enum publish_state s)
{
	return s == PUBLISH_REQUESTED || s == PUBLISH_RUNNING;
}

/*
 * Until the push has ended, there is no time left, or nobody waits for the
 * answer: the push goes on without us.
 */
static int
wait_for_push(struct call *c, struct pull *p, struct err *e)
{
	do {
		pause_ms(LOOK_MS);
		if (publish_look(c->api->db, c->user_id, c->id, &p->row, e) ==
		    -1)
			return -1;
	} while (is_under_way(p->row.state) && clock_mono_ms() < p->until_ms &&
	    call_client_there(c));
	return 0;
}

static int
refuse_unended(struct call *c)
{
	if (!call_client_there(c))
		return call_refuse_gone(c);
	http_response_header(c->rs, "Retry-After", STILL_RETRY_S);
	return call_refuse(c, 503,
	    "The branch is still being pushed; ask again to go on");
}

/* *refused: answered. Else the branch is there, in p->row. */
static int
have_pushed(struct call *c, struct pull *p, bool *refused, struct err *e)
{
	*refused = false;
	if (publish_look(c->api->db, c->user_id, c->id, &p->row, e) == -1)
		return -1;
	p->was_pushed =
	    p->row.state == PUBLISH_PUSHED || p->row.state == PUBLISH_DONE;
	if (!p->was_pushed &&
	    (request_push(c, p, e) == -1 || wait_for_push(c, p, e) == -1))
		return -1;
	switch (p->row.state) {
	case PUBLISH_PUSHED:
	case PUBLISH_DONE:
		return 0;
	case PUBLISH_FAILED:
		*refused = true;
		return pull_refuse_push(c, p);
	case PUBLISH_NONE:
		return err_set(e, ERR_ABSENT, "Task not found");
	case PUBLISH_REQUESTED:
	case PUBLISH_RUNNING:
		break;
	}
	*refused = true;
	return refuse_unended(c);
}

static int
answer(struct call *c, const struct pull *p, const struct publish_pull *made)
{
	struct json_out j;

	json_start(&j, &c->rs->body);
	json_open(&j);
	json_name_text(&j, "status", "success");
	json_name_text(&j, "pr_url", made->url);
	json_name_int(&j, "pr_number", made->number);
	json_name_text(&j, "branch", made->branch);
	json_name_int(&j, "files_updated",
	    p->files == NULL ? 0 : (int64_t)json_array_size(p->files));
	json_close(&j);
	return 0;
}

static int
answer_stored(struct call *c, const struct pull *p)
{
	const struct publish_pull made = { p->task.pr_branch, p->task.pr_number,
		p->task.pr_url };

	return answer(c, p, &made);
}

/* A twin of this request may have opened it: its answer is ours. */
static int
find_twins(struct call *c, struct pull *p, bool *found, struct err *e)
{
	*found = false;
	for (int i = 0; i < LOOKS && !*found; i++) {
		publish_task_clear(&p->task);
		if (publish_task_get(c->api->db, c->user_id, c->id, &p->task,
			e) == -1)
			return -1;
		*found = p->task.has_pull;
		if (!*found)
			pause_ms(LOOK_MS);
	}
	return 0;
}

/* The last step: task and row name it from now on. */
static int
keep_pull(struct call *c, const struct pull *p, const struct host_pull *made,
    struct err *e)
{
	const struct publish_pull stored = { p->row.head_branch, made->number,
		made->url };

	FAULT_POINT("publish.before_store");
	if (publish_opened(c->api->db, c->user_id, c->id, &stored, e) == -1)
		return -1;
	FAULT_POINT("publish.after_store");
	log_line(LOG_INFO,
	    "pull request id=%s task=%" PRId64 " number=%" PRId64 " existed=%d",
	    c->rq->request_id, c->id, made->number, made->existed ? 1 : 0);
	return answer(c, p, &stored);
}

static struct host_place
place_of(const struct pull *p)
{
	return (struct host_place){ p->token.s, p->repo.owner, p->repo.name };
}

/* That of our branch, whatever has become of it since. */
static int
find_pull(const struct pull *p, struct host_pull *there, struct host_failure *f)
{
	const struct host_place at = place_of(p);
	const struct host_pull_wish w = { .head = p->row.head_branch,
		.base = p->task.branch };

	if (p->host->pull_find(p->host->self, &at, &w, there, f) == -1)
		return -1;
	there->existed = there->found;
	return 0;
}

/*
 * The host wants no pull request of this branch. One that was merged may be
 * why; else the branch may be gone, and the next call pushes it again.
 */
static int
refuse_invalid(struct call *c, const struct pull *p,
    const struct host_failure *f, struct err *e)
{
	struct host_failure ignored;
	struct host_pull there;

	if (find_pull(p, &there, &ignored) == 0) {
		if (there.found)
			return keep_pull(c, p, &there, e);
		if (publish_undo(c->api->db, c->user_id, c->id, "refused", e) ==
		    -1)
			return -1;
	}
	return pull_refuse(c, p, f);
}

static int
refuse_pull(struct call *c, struct pull *p, struct host_failure *f,
    struct err *e)
{
	bool found = false;

	if (f->outcome == HOST_CONFLICT && find_twins(c, p, &found, e) == -1)
		return -1;
	if (found)
		return answer_stored(c, p);
	if (f->outcome == HOST_INVALID)
		return refuse_invalid(c, p, f, e);
	/* It was seen just now, so this is how a missing scope looks. */
	if (f->outcome == HOST_NOT_FOUND)
		f->outcome = HOST_NO_PERMISSION;
	return pull_refuse(c, p, f);
}

static int
create_pull(struct call *c, struct pull *p, struct err *e)
{
	const struct host_place at = place_of(p);
	struct buf title = BUF(PULL_TEXT_MAX), body = BUF(PULL_TEXT_MAX);
	struct host_pull_wish w = { .head = p->row.head_branch,
		.base = p->task.branch,
		.title = p->title.s,
		.body = p->body.s };
	struct host_failure f;
	struct host_pull made;
	int rc = -1;

	if (p->title.len == 0) {
		pull_title(&title, p->task.prompt);
		w.title = title.data;
	}
	if (p->body.len == 0) {
		pull_body(&body, p->task.prompt, p->files, HOST_BODY_MAX);
		w.body = body.data;
	}
	if (!buf_ok(&title) || !buf_ok(&body)) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		goto out;
	}
	FAULT_POINT("publish.before_pull");
	if (p->host->pull_create(p->host->self, &at, &w, &made, &f) == -1) {
		rc = refuse_pull(c, p, &f, e);
		goto out;
	}
	FAULT_POINT("publish.after_pull");
	rc = keep_pull(c, p, &made, e);
out:
	buf_clear(&title);
	buf_clear(&body);
	return rc;
}

/*
 * An earlier call that pushed may have opened it, and its answer got lost: by
 * now it may be merged or closed, so that the host would make another.
 */
static int
open_pull(struct call *c, struct pull *p, struct err *e)
{
	struct host_pull there = { .found = false };
	struct host_failure f;

	if (p->was_pushed && find_pull(p, &there, &f) == -1)
		return refuse_pull(c, p, &f, e);
	return there.found ? keep_pull(c, p, &there, e) : create_pull(c, p, e);
}

static int
make(struct call *c, struct pull *p, struct err *e)
{
	bool refused;
	int rc;

	rc = check_task(c, p, &refused, e);
	if (rc == -1 || refused)
		return rc;
	if (p->task.has_pull) /* D24 */
		return answer_stored(c, p);
	if (outbound_host(c->api, &p->host, e) == -1)
		return -1;
	rc = check_url(c, p, &refused);
	if (rc == -1 || refused)
		return rc;
	rc = check_repo(c, p, &refused);
	if (rc == -1 || refused)
		return rc;
	rc = have_pushed(c, p, &refused, e);
	if (rc == -1 || refused)
		return rc;
	return open_pull(c, p, e);
}

int
pull_post(struct call *c, struct err *e)
{
	long limit_s = c->api->cfg->outbound_limit_s;
	struct pull p = { .until_ms = clock_mono_ms() +
		    1000 *
			(limit_s > 2 * AFTER_PUSH_S ? limit_s - AFTER_PUSH_S
						    : limit_s / 2) };
	int rc = make(c, &p, e);

	publish_task_clear(&p.task);
	json_free(p.files);
	return rc;
}
