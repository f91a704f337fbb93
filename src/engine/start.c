/* From a claim to a runner, in the order of reliability 5. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/agent.h"
#include "engine/impl.h"
#include "engine/start_secrets.h"
#include "repo/url.h"
#include "spool/memo.h"
#include "spool/spec.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/log.h"
#include "util/text.h"

/* Between two tries to take up a run whose runner has died. */
#define RESUME_EVERY_MS 1000

/* What a run is about: a claim, and what the push of one has besides. */
struct order {
	const struct claim *claim;
	const struct publish_claim *push; /* NULL: a task */
	struct repo_url url;
};

/* The URL is built again from its parts: the row is only data. */
static int
check_url(const struct config *c, const struct claim *claim,
    struct repo_url *url, struct refusal *no)
{
	const struct repo_policy policy = {
		.allowed_hosts = c->repo_allowed_hosts,
		.allow_http = c->repo_allow_http,
	};
	struct err e = { 0 };

	if (repo_url_read(url, claim->repo_url, &policy, &e) == -1)
		return start_refuse(no, FAILURE_REPO_ACCESS,
		    "REPO_ALLOWED_HOSTS does not have this repository's host "
		    "any more",
		    &e);
	return 0;
}

/* Which model the agent uses; as its program chooses: "". */
static void
choose_model(const struct config *c, const struct claim *claim,
    char out[AGENT_MODEL_MAX + 1])
{
	const char *asked = claim->agent_model;
	struct agent a = { 0 };
	struct err ignored = { 0 }; /* the runner says it, in the task */

	out[0] = '\0';
	if (asked != NULL && asked[0] != '\0')
		(void)snprintf(out, AGENT_MODEL_MAX + 1, "%s", asked);
	else if (!agent_models_default(c->agent_models, claim->agent, out) &&
	    agent_read(&a, c->share_dir, claim->agent, &ignored) == 0 &&
	    a.model != NULL)
		(void)snprintf(out, AGENT_MODEL_MAX + 1, "%s", a.model);
	agent_clear(&a);
}

/* All strings are borrowed: never spec_clear() this one. */
static int
write_spec(const struct config *c, struct order *o, int dirfd, struct err *e)
{
	const struct claim *claim = o->claim;
	char origin[REPO_HOST_MAX + 20], mode[16], head[64], base[65];
	char deployment[CONFIG_DEPLOYMENT], model[AGENT_MODEL_MAX + 1];
	char job[] = "publish";
	struct spec s = {
		.task_id = claim->hold.task_id,
		.attempt = claim->hold.attempt,
		.prompt = claim->prompt,
		.clone_url = o->url.clone,
		.origin_url = origin,
		.branch = claim->branch,
		.agent = claim->agent,
		.mode = mode,
		.share_dir = c->share_dir,
		.sandbox_dir = c->sandbox_dir,
		.ca_file = c->repo_ca_file,
		.isolation = c->simulation_isolation,
		.agent_kind = c->simulation_agents,
		.agent_network = c->simulation_agent_network,
		.sandbox_user = c->sandbox_user,
		.memory_mb = c->sandbox_memory_mb,
		.processes = c->sandbox_processes,
		.open_files = c->sandbox_open_files,
		.file_mb = c->sandbox_file_mb,
		.cpu_s = c->sandbox_cpu_s,
		.life_s = c->sandbox_life_s,
		.clone_limit_s = c->clone_limit_s,
		.agent_limit_s = c->agent_limit_s,
		.command_limit_s = c->command_limit_s,
		.output_max_bytes = c->output_max_bytes,
		.patch_max_bytes = c->patch_max_bytes,
		.changed_files_max = c->changed_files_max,
		.cancel_grace_ms = c->cancel_grace_ms,
		.agent_model = model,
		.agent_path = c->simulation_agent_path,
		.agent_registry = c->agent_registry,
		.agent_github_token = c->agent_github_token,
		.agent_idle_s = c->agent_idle_s,
		.agent_linger_s = c->agent_linger_s,
		.agent_install_limit_s = c->agent_install_limit_s,
		.agent_max_turns = c->agent_max_turns,
		.agent_budget_cents = c->agent_budget_cents,
		.e2b_template = c->e2b_template_id,
		.e2b_domain = c->e2b_domain,
		.e2b_api_url = c->e2b_api_url,
		.e2b_sandbox_url = c->e2b_sandbox_url,
		.e2b_ca_file = c->e2b_ca_file,
		.e2b_allow_http = c->e2b_allow_http,
		.e2b_deployment = deployment,
		.e2b_create_s = c->e2b_create_s,
		.e2b_busy_wait_s = c->e2b_busy_wait_s,
		.e2b_quota_wait_s = c->e2b_quota_wait_s,
		.e2b_silence_s = c->e2b_silence_s,
		.log_level = c->log_level,
	};

	config_deployment(c, deployment);
	choose_model(c, claim, model);
	repo_url_origin(&o->url, origin);
	(void)snprintf(mode, sizeof(mode), "%s", config_mode(c));
	if (o->push != NULL) {
		(void)snprintf(head, sizeof(head), "claude-code-%jd",
		    (intmax_t)claim->hold.task_id);
		(void)snprintf(base, sizeof(base), "%s", o->push->base_commit);
		s.job = job;
		s.head_branch = head;
		s.base_commit = base;
		s.completed_s =
		    o->push->completed_s < 0 ? 0 : o->push->completed_s;
	}
	return spec_write(dirfd, &s, e);
}

/* The folder, and the run that owns it from now on. */
static struct run *
make_run(struct engine *g, const struct hold *h, struct err *e)
{
	char name[SPOOL_NAME_MAX];
	struct run *r;
	int dirfd;

	FAULT_POINT("spawn.before_folder");
	spool_name(name, h->task_id, h->attempt);
	if (mkdirat(g->spool_fd, name, 0700) == -1) {
		(void)err_sys(e, errno == EEXIST ? ERR_CONFLICT : ERR_RETRY,
		    "make spool folder %s", name);
		return NULL;
	}
	dirfd = openat(g->spool_fd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd == -1) {
		(void)err_sys(e, ERR_RETRY, "open spool folder %s", name);
		(void)unlinkat(g->spool_fd, name, AT_REMOVEDIR);
		return NULL;
	}
	if ((r = run_new(h, dirfd, e)) == NULL) {
		(void)close(dirfd);
		return NULL;
	}
	if (runs_add(&g->runs, r, e) == -1) {
		run_free(r);
		return NULL;
	}
	r->row = ROW_OURS;
	r->shipped_known = true;
	r->renewed_ms = clock_mono_ms();
	r->renew_ms = r->renewed_ms + jittered(g->config->renew_s * 1000);
	return r;
}

/* Asks for the runner, then hands it its secrets. */
static int
spawn(struct engine *g, struct run *r, int lock_fd, const struct secrets *s,
    struct err *e)
{
	int pipe_fd[2];
	struct spawn_order order;
	int rc = -1;

	if (pipe2(pipe_fd, O_CLOEXEC) == -1)
		return err_sys(e, ERR_RETRY, "pipe");
	order = (struct spawn_order){ r->name, r->dirfd, lock_fd, pipe_fd[0] };
	r->began = true; /* from here on nobody knows but the lock */
	if (spawner_spawn(&g->spawner, &order, &r->proc.pid, &r->proc.pidfd,
		e) == -1)
		goto out;
	FAULT_POINT("spawn.mid_pipe");
	/* The pipe holds all of it: 64 KiB, and the document half of that. */
	rc = secrets_write(pipe_fd[1], s, e);
out:
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
	return rc;
}

/* What is to be pushed. Written anew by each attempt; it needs no sync. */
static int
write_patch(const struct publish_claim *c, int dirfd, struct err *e)
{
	int fd, rc;

	fd = openat(dirfd, SPOOL_PATCH,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, ERR_RETRY, "write " SPOOL_PATCH);
	rc = fd_write_all(fd, c->patch, c->patch_len, e);
	(void)close(fd);
	return rc;
}

static int
launch(struct engine *g, struct order *o, struct run *r,
    const struct secrets *s)
{
	struct err e = { 0 };
	int lock_fd, rc = -1;

	/* Locked before the fork, and inherited: no gap (P10). */
	if ((lock_fd = file_lock(r->dirfd, "lock", &e)) < 0)
		goto out;
	if (write_spec(g->config, o, r->dirfd, &e) == -1 ||
	    (o->push != NULL && write_patch(o->push, r->dirfd, &e) == -1) ||
	    spawn(g, r, lock_fd, s, &e) == -1)
		goto out;
	rc = 0;
out:
	if (lock_fd >= 0)
		(void)close(lock_fd);
	if (rc == -1) /* the lock will say whether it runs all the same */
		log_err(LOG_ERROR, &e, "start failed run=%s", r->name);
	return rc;
}

/* The lock first, as ever; and counted before it can die again. */
static int
launch_again(struct engine *g, struct run *r, const struct secrets *s,
    struct err *e)
{
	int lock_fd, rc = -1;

	if ((lock_fd = file_lock(r->dirfd, "lock", e)) == -2)
		return err_set(e, ERR_RETRY, "its lock is held");
	if (lock_fd == -1)
		return -1;
	FAULT_POINT("resume.before_spawn");
	if (memo_resumes_add(r->dirfd, e) == 0) {
		run_reborn(r);
		rc = spawn(g, r, lock_fd, s, e);
	}
	FAULT_POINT("resume.after_spawn");
	(void)close(lock_fd);
	return rc;
}

/* What the new runner gets: 0, or -1 when it cannot be had now, or ever. */
static int
resume_secrets(struct engine *g, struct run *r, struct secrets *s)
{
	struct refusal no = { .failure = FAILURE_NONE };
	struct claim c = { 0 };
	struct err e = { 0 };
	int rc = -1;

	if (queue_load(g->db, &r->hold, &c, &e) == -1) {
		if (e.kind == ERR_ABSENT)
			r->row = ROW_UNKNOWN;
		else
			link_failed(g, &e, "load");
		return -1;
	}
	rc = start_secrets(g, &c, true, s, &no);
	if (rc == -1) {
		log_line(LOG_ERROR, "resume failed run=%s why=" LOG_STR,
		    r->name, log_str(no.text));
		r->no_resume = r->nudge = g->busy = true;
	}
	claim_clear(&c);
	return rc;
}

void
start_resumed(struct engine *g, struct run *r)
{
	int64_t now_ms = clock_mono_ms();
	struct secrets s = { 0 };
	struct err e = { 0 };

	/* Somebody may have put it back into the queue meanwhile. */
	ship_renew(g, r, now_ms);
	if (r->row != ROW_OURS || !link_ready(g, now_ms))
		return;
	r->retry_ms = now_ms + RESUME_EVERY_MS;
	if (spawner_ready(&g->spawner, now_ms, &e) == -1 ||
	    resume_secrets(g, r, &s) == -1)
		goto out;
	if (launch_again(g, r, &s, &e) == 0) {
		r->retry_ms = 0;
		log_line(LOG_WARN, "run resumed run=%s pid=%ld times=%u",
		    r->name, (long)r->proc.pid, memo_resumes(r->dirfd));
	}
out:
	if (e.kind != ERR_NONE)
		log_err(LOG_ERROR, &e, "resume failed run=%s", r->name);
	secrets_clear(&s);
}

/* The next try takes another folder, and may be another machine's. */
static void
give_back(struct engine *g, const struct hold *h)
{
	unsigned int delay_ms =
	    (unsigned int)jittered(config_retry_delay_ms(g->config, 1));
	struct err e = { 0 };

	if (job_of(h)->give_back(g->db, h, delay_ms, false,
		"its reaper could not begin it", &e) == 0) {
		link_worked(g, clock_mono_ms());
		log_line(LOG_WARN, "task given back id=%jd attempt=%u",
		    (intmax_t)h->task_id, h->attempt);
	} else if (e.kind != ERR_CONFLICT) {
		/* The row is ours and has no run: adopt_wishes() finds it. */
		link_failed(g, &e, "give back");
	}
}

/* Sets *no, or starts it; a start that failed is seen by its free lock. */
static void
start(struct engine *g, struct order *o, struct refusal *no)
{
	const struct claim *c = o->claim;
	struct secrets s = { 0 };
	struct err e = { 0 };
	struct run *r;

	if (check_url(g->config, c, &o->url, no) == -1 ||
	    start_secrets(g, c, o->push == NULL, &s, no) == -1)
		goto out;
	if ((r = make_run(g, &c->hold, &e)) == NULL) {
		log_err(LOG_ERROR, &e, "start failed id=%jd",
		    (intmax_t)c->hold.task_id);
		/* A folder that is there already is in nobody else's way. */
		if (e.kind != ERR_CONFLICT)
			room_start_failed(g);
		give_back(g, &c->hold);
		goto out;
	}
	if (launch(g, o, r, &s) == 0) {
		room_start_worked(g);
		log_line(LOG_INFO, "run started run=%s pid=%ld", r->name,
		    (long)r->proc.pid);
	} else {
		room_start_failed(g);
		g->busy = true;
	}
out:
	secrets_clear(&s);
}

void
start_claimed(struct engine *g, const struct claim *c)
{
	struct refusal no = { .failure = FAILURE_NONE };
	struct order o = { .claim = c };

	start(g, &o, &no);
	if (no.failure != FAILURE_NONE)
		finish_failed(g, &c->hold, no.failure, no.text);
}

void
start_publishing(struct engine *g, const struct publish_claim *c)
{
	struct refusal no = { .failure = FAILURE_NONE };
	struct order o = { .claim = &c->task, .push = c };

	start(g, &o, &no);
	if (no.failure != FAILURE_NONE)
		publish_refuse(g, &c->task.hold, failure_name(no.failure),
		    no.text);
}
