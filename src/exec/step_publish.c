/* The three steps of a pull request's push: fetch, apply, push. */
#include <stdio.h>
#include <string.h>

#include "exec/git_words.h"
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

/*
 * With git's own words: whoever knows the host knows what they mean. Only that
 * another try may do better (*again) is seen here.
 */
static int
fail_refused(struct pipeline *p, const struct buf *errors, bool *again,
    struct err *e)
{
	const char *said = errors->len == 0 ? "" : errors->data;
	const struct git_meaning *m = git_meaning_of(said);

	if (git_could_not_fork(said))
		return err_set(e, ERR_RETRY, "no room for git's processes");
	*again = m != NULL && m->failure == NULL;
	return pipeline_fail(p, *again ? "network" : "refused", e, "%s", said);
}

/* One of the two scripts. */
struct talk {
	const char *script, *what;
	/* What is in out/why when it is not the host that refuses. */
	const char *failure, *text;
};

static int
talk_once(struct pipeline *p, const struct talk *t, bool *again, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	struct script s = { .name = t->script,
		.what = t->what,
		.errors = &errors };
	char why[32];
	int code = 0, rc;

	*again = false;
	rc = remote_run(p, &s, &code, e);
	if (rc == 0 && !p->over && code != 0) {
		remote_read_line(p, OUT "why", why, sizeof(why));
		rc = strcmp(why, t->failure) == 0
		    ? pipeline_fail(p, t->failure, e, "%s", t->text)
		    : fail_refused(p, &errors, again, e);
	}
	buf_clear(&errors);
	return rc;
}

static int
fetch_once(struct pipeline *p, bool *again, struct err *e)
{
	const struct talk t = { "fetch.sh", "Fetching the base branch",
		"no_base", p->spec->branch };

	return talk_once(p, &t, again, e);
}

int
step_fetch(struct pipeline *p, struct err *e)
{
	if (remote_prepare(p, "fetch.sh", e) == -1)
		return pipeline_sandbox_error(p, e);
	if (remote_try(p, fetch_once, e) == -1)
		return -1;
	if (p->over)
		return 0;
	remote_read_line(p, OUT "tip", p->base, sizeof(p->base));
	if (!remote_is_commit(p->base))
		return pipeline_fail(p, "internal", e,
		    "The base branch has no commit.");
	return 0;
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

static int
push_once(struct pipeline *p, bool *again, struct err *e)
{
	const struct talk t = { "push.sh", "Pushing the branch", "taken",
		p->spec->head_branch };

	return talk_once(p, &t, again, e);
}

int
step_push(struct pipeline *p, struct err *e)
{
	if (pipeline_put_shared(p, "push.sh", e) == -1)
		return pipeline_sandbox_error(p, e);
	if (remote_try(p, push_once, e) == -1)
		return -1;
	if (p->over)
		return 0;
	remote_read_line(p, OUT "branch", p->branch, sizeof(p->branch));
	if (!branch_valid(p->branch))
		return pipeline_fail(p, "internal", e, "No branch was pushed.");
	return 0;
}
