/* The three steps of a pull request's push: fetch, apply, push. */
#include <stdio.h>
#include <string.h>

#include "exec/remote.h"
#include "repo/branch.h"
#include "util/file.h"
#include "util/text.h"
#include "util/utf8.h"

#define OUT SANDBOX_CONTROL "/out/"
#define ERRORS_MAX ((size_t)3 * 1024)
#define CONFLICTS_MAX ((size_t)256 * 1024)
#define CONFLICTS_SHOWN ((size_t)1000) /* bytes of names in an error's text */
#define COMMANDS 4

/* git's own words: whoever knows the host knows what they mean. */
static int
fail_refused(struct pipeline *p, const struct buf *errors, struct err *e)
{
	return pipeline_fail(p, "refused", e, "%s",
	    errors->len == 0 ? "" : errors->data);
}

int
step_fetch(struct pipeline *p, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	struct script s = { .name = "fetch.sh",
		.what = "Fetching the base branch",
		.errors = &errors };
	char why[32];
	int code = 0, rc = -1;

	if (remote_prepare(p, s.name, e) == -1) {
		rc = pipeline_sandbox_error(p, e);
		goto out;
	}
	if (remote_run(p, &s, &code, e) == -1)
		goto out;
	rc = 0;
	if (p->over)
		goto out;
	if (code != 0) {
		remote_read_line(p, OUT "why", why, sizeof(why));
		rc = strcmp(why, "no_base") == 0
		    ? pipeline_fail(p, "no_base", e, "%s", p->spec->branch)
		    : fail_refused(p, &errors, e);
		goto out;
	}
	remote_read_line(p, OUT "tip", p->base, sizeof(p->base));
	if (!remote_is_commit(p->base))
		rc = pipeline_fail(p, "internal", e,
		    "The base branch has no commit.");
out:
	buf_clear(&errors);
	return rc;
}

static int
put_patch(struct pipeline *p, struct err *e)
{
	struct buf patch = BUF((size_t)p->spec->patch_max_bytes);
	int rc = -1;

	if (file_read_beneath(p->spool_fd, SPOOL_PATCH, &patch, e) == 0)
		rc = sandbox_put(p->sb, SANDBOX_CONTROL "/patch",
		    patch.data == NULL ? "" : patch.data, patch.len, 0600, e);
	buf_clear(&patch);
	return rc;
}

/* "a.c, b.c": git quotes what is odd, and we keep what is no UTF-8 out. */
static int
fail_conflict(struct pipeline *p, struct err *e)
{
	struct buf names = BUF(CONFLICTS_MAX), list = BUF(2 * CONFLICTS_SHOWN);
	struct err ignored = { 0 };
	int rc;

	if (sandbox_get(p->sb, OUT "conflicts", &names, &ignored) == 0 &&
	    names.len > 0) {
		char *rest = names.data, *name;

		while ((name = strsep(&rest, "\n")) != NULL) {
			if (name[0] == '\0')
				continue;
			if (list.len + strlen(name) > CONFLICTS_SHOWN) {
				buf_puts(&list, ", ...");
				break;
			}
			buf_puts(&list, list.len == 0 ? "" : ", ");
			utf8_clean(&list, name, strlen(name));
		}
	}
	rc = pipeline_fail(p, "conflict", e, "%s",
	    list.len == 0 ? "" : list.data);
	buf_clear(&names);
	buf_clear(&list);
	return rc;
}

static int
take_applied(struct pipeline *p, struct err *e)
{
	char state[32], commit[80];

	remote_read_line(p, OUT "state", state, sizeof(state));
	if (strcmp(state, "conflict") == 0)
		return fail_conflict(p, e);
	if (strcmp(state, "same") == 0)
		return pipeline_fail(p, "same", e, "%s", p->spec->branch);
	if (strcmp(state, "none") == 0)
		return pipeline_fail(p, "no_files", e, "It is no patch.");
	remote_read_line(p, OUT "commit", commit, sizeof(commit));
	if (strcmp(state, "ready") != 0 || !remote_is_commit(commit))
		return pipeline_fail(p, "internal", e,
		    "The patch could not be applied.");
	return text_set(&p->result->commit_hash, commit, e);
}

int
step_apply(struct pipeline *p, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	char base[80], date[64];
	const char *const env[] = { "TASKMILL_CONTROL=" SANDBOX_CONTROL, base,
		date, NULL };
	const struct script s = { .name = "apply.sh",
		.env = env,
		.limit_s = (unsigned int)p->spec->command_limit_s * COMMANDS,
		.what = "Applying the patch",
		.setting = "COMMAND_TIMEOUT_S",
		.errors = &errors };
	int code = 0, rc = -1;

	(void)snprintf(base, sizeof(base), "TASKMILL_BASE=%s",
	    remote_is_commit(p->spec->base_commit) ? p->spec->base_commit : "");
	(void)snprintf(date, sizeof(date), "TASKMILL_DATE=@%lld",
	    (long long)p->spec->completed_s);
	if (pipeline_put_shared(p, s.name, e) == -1 || put_patch(p, e) == -1) {
		rc = pipeline_sandbox_error(p, e);
		goto out;
	}
	if (pipeline_script(p, &s, &code, e) == -1)
		goto out;
	rc = 0;
	if (!p->over)
		rc = code == 0 ? take_applied(p, e)
			       : pipeline_fail(p, "internal", e,
				     "The patch could not be applied: %s",
				     errors.len == 0 ? "" : errors.data);
out:
	buf_clear(&errors);
	return rc;
}

int
step_push(struct pipeline *p, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	struct script s = { .name = "push.sh",
		.what = "Pushing the branch",
		.errors = &errors };
	char why[32];
	int code = 0, rc = -1;

	if (pipeline_put_shared(p, s.name, e) == -1) {
		rc = pipeline_sandbox_error(p, e);
		goto out;
	}
	if (remote_run(p, &s, &code, e) == -1)
		goto out;
	rc = 0;
	if (p->over)
		goto out;
	if (code != 0) {
		remote_read_line(p, OUT "why", why, sizeof(why));
		rc = strcmp(why, "taken") == 0
		    ? pipeline_fail(p, "taken", e, "%s", p->spec->head_branch)
		    : fail_refused(p, &errors, e);
		goto out;
	}
	remote_read_line(p, OUT "branch", p->branch, sizeof(p->branch));
	if (!branch_valid(p->branch))
		rc = pipeline_fail(p, "internal", e, "No branch was pushed.");
out:
	buf_clear(&errors);
	return rc;
}
