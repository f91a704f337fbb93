/* The sandbox that everything else happens in. */
#include <string.h>

#include <stdio.h>

#include "exec/pipeline.h"
#include "util/text.h"

#define OR(value, standard) ((unsigned int)((value) > 0 ? (value) : (standard)))

static int
note(void *ctx, const char *text, struct err *e)
{
	struct pipeline *p = ctx;

	return spool_note(p->spool, "note", text, e);
}

static int
remember(void *ctx, const struct memo *m, struct err *e)
{
	const struct pipeline *p = ctx;
	struct memo memo;

	if (m == NULL)
		return memo_forget(p->spool_fd, e);
	memo = *m;
	(void)snprintf(memo.secrets, sizeof(memo.secrets), "%s", p->digest);
	return memo_write(p->spool_fd, &memo, e);
}

static bool
stop(void *ctx)
{
	struct pipeline *p = ctx;

	return p->stop(p->ctx);
}

/* The cloud as the spec names it. */
static void
fill_e2b(struct pipeline *p)
{
	const struct spec *s = p->spec;

	p->host = (struct sandbox_host){ .stop = stop,
		.wake_fd = p->wake_fd > 0 ? p->wake_fd : -1,
		.note = note,
		.remember = remember,
		.ctx = p };
	p->e2b = (struct sandbox_e2b){
		.api_key = p->secrets->e2b_api_key == NULL
		    ? ""
		    : p->secrets->e2b_api_key,
		.template_id = s->e2b_template,
		.domain = s->e2b_domain,
		.api_url = s->e2b_api_url,
		.sandbox_url = s->e2b_sandbox_url,
		.ca_file = s->e2b_ca_file,
		.allow_http = s->e2b_allow_http,
		.deployment = s->e2b_deployment,
		.task_id = s->task_id,
		.attempt = s->attempt,
		.create_limit_s = OR(s->e2b_create_s, 90),
		.busy_wait_s = OR(s->e2b_busy_wait_s, 300),
		/* A task waits in the queue instead (pipeline_sandbox_error) */
		.quota_wait_s = strcmp(s->job, "publish") == 0
		    ? OR(s->e2b_quota_wait_s, 900)
		    : 0,
		.silence_s = OR(s->e2b_silence_s, 100),
	};
}

int
step_sandbox(struct pipeline *p, struct err *e)
{
	const struct spec *s = p->spec;
	char name[SPOOL_NAME_MAX];
	const struct sandbox_spec spec = {
		.kind = pipeline_in_cloud(p) ? "e2b" : "local",
		.name = name,
		.programs = s->agent_path,
		.dir = s->sandbox_dir,
		.isolation = s->isolation,
		.user = s->sandbox_user,
		.limits = { s->memory_mb, s->processes, s->open_files,
		    s->file_mb, s->cpu_s },
		.life_s = (unsigned int)s->life_s,
		.e2b = &p->e2b,
		.host = &p->host,
		.share_dir = s->share_dir,
		.memo = p->memo,
	};

	fill_e2b(p);
	spool_name(name, s->task_id, s->attempt);
	if (sandbox_open(&p->sb, &spec, e) == -1)
		return pipeline_sandbox_error(p, e);
	return text_set(&p->result->sandbox_id, sandbox_id(p->sb), e);
}
