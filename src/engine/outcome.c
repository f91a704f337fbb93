#include "engine/outcome.h"

#include <string.h>

/* result.json and metadata.json: 10,000 file names of some length. */
#define SMALL_MAX ((size_t)8 * 1024 * 1024)

static size_t
length(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

static void
fill(struct outcome *o)
{
	const struct spool_result *r = &o->from;
	enum task_state state = task_state_of(r->outcome);

	o->deferred = strcmp(r->outcome, SPOOL_DEFERRED) == 0;
	if (o->deferred)
		state = TASK_FAILED;

	o->result = (struct task_result){
		.outcome = state,
		.failure = state == TASK_FAILED
		    ? failure_of(r->failure == NULL ? "" : r->failure)
		    : FAILURE_NONE,
		.error = state == TASK_COMPLETED ? NULL : r->error,
		.commit_hash = r->commit_hash,
		.container_id = r->sandbox_id,
		.git_diff = r->diff,
		.git_diff_len = r->diff_len,
		.git_patch = r->patch,
		.git_patch_len = r->patch_len,
		.changed_files = r->changed_files,
		.changed_files_len = length(r->changed_files),
		.message = r->message,
		.message_len = length(r->message),
		.metadata = r->metadata,
		.metadata_len = length(r->metadata),
	};
}

int
outcome_read(struct outcome *o, int dirfd, const struct config *c,
    struct err *e)
{
	const struct spool_result_limits limits = {
		.patch_max = (size_t)c->patch_max_bytes,
		.small_max = SMALL_MAX,
	};

	memset(o, 0, sizeof(*o));
	if (spool_result_read(dirfd, &limits, &o->from, e) == -1)
		return -1;
	fill(o);
	if (!task_state_final(o->result.outcome))
		return err_set(e, ERR_BROKEN, "a result that is no end");
	return 0;
}

void
outcome_clear(struct outcome *o)
{
	spool_result_clear(&o->from);
	memset(&o->result, 0, sizeof(o->result));
	o->deferred = false;
}
