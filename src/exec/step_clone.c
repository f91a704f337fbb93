/* The clone, and what to tell users when it fails. */
#include <string.h>

#include "exec/git_words.h"
#include "exec/remote.h"

#define ERRORS_MAX ((size_t)8 * 1024)

/* The last line of a text that is not empty, without a newline. */
static const char *
last_line(const struct buf *text, int *len)
{
	const char *s = text->len == 0 ? "" : text->data;
	size_t end = text->len, start;

	while (end > 0 && (s[end - 1] == '\n' || s[end - 1] == '\r'))
		end--;
	start = end;
	while (start > 0 && s[start - 1] != '\n')
		start--;
	*len = end - start > 400 ? 400 : (int)(end - start);
	return s + start;
}

static int
fail_auth(struct pipeline *p, struct err *e)
{
	if (p->secrets->github_token == NULL ||
	    p->secrets->github_token[0] == '\0')
		return pipeline_fail(p, "github_auth", e,
		    "The repository cannot be read without a token, and none "
		    "was given.");
	return pipeline_fail(p, "github_auth", e,
	    "The repository's host rejects the token: it may be wrong, expired, "
	    "or without access to this repository.");
}

/* Ends the run by what git said. True in *again: the network, try again. */
static int
fail_by_words(struct pipeline *p, const struct buf *errors, bool *again,
    struct err *e)
{
	const char *said = errors->len == 0 ? "" : errors->data;
	const struct git_meaning *m = git_meaning_of(said);
	const char *line;
	int len;

	*again = false;
	if (git_could_not_fork(said))
		return err_set(e, ERR_RETRY, "no room for git's processes");
	line = last_line(errors, &len);
	if (m == NULL)
		return pipeline_fail(p, "internal", e,
		    "The repository could not be cloned: %.*s", len, line);
	if (m->failure == NULL) {
		*again = true;
		return pipeline_fail(p, "network", e,
		    "The repository's host could not be reached, after %d "
		    "tries: %.*s",
		    REMOTE_TRIES, len, line);
	}
	if (m->text != NULL)
		return pipeline_fail(p, m->failure, e, "%s", m->text);
	if (strcmp(m->failure, "github_auth") == 0)
		return fail_auth(p, e);
	return pipeline_fail(p, m->failure, e,
	    "The repository was not found, or the token has no access to it.");
}

static int
explain(struct pipeline *p, const struct buf *errors, bool *again,
    struct err *e)
{
	char why[32];

	*again = false;
	remote_read_line(p, SANDBOX_CONTROL "/out/why", why, sizeof(why));
	if (strcmp(why, "empty") == 0)
		return pipeline_fail(p, "repo_empty", e,
		    "The repository has no commit yet. Push a first commit, "
		    "then start the task again.");
	if (strcmp(why, "no_branch") == 0)
		return pipeline_fail(p, "repo_access", e,
		    "The repository has no branch \"%s\".", p->spec->branch);
	if (strcmp(why, "tag") == 0)
		return pipeline_fail(p, "repo_access", e,
		    "\"%s\" is a tag and not a branch.", p->spec->branch);
	return fail_by_words(p, errors, again, e);
}

/* One try. *again: the network failed, and p is over unless tried again. */
static int
clone_once(struct pipeline *p, bool *again, struct err *e)
{
	struct buf errors = BUF(ERRORS_MAX);
	struct script script = { .name = "clone.sh",
		.what = "Cloning the repository",
		.errors = &errors };
	int code = 0, rc;

	*again = false;
	rc = remote_run(p, &script, &code, e);
	if (rc == 0 && !p->over && code != 0)
		rc = explain(p, &errors, again, e);
	buf_clear(&errors);
	return rc;
}

int
step_clone(struct pipeline *p, struct err *e)
{
	if (remote_prepare(p, "clone.sh", e) == -1)
		return pipeline_sandbox_error(p, e);
	if (remote_try(p, clone_once, e) == -1)
		return -1;
	if (p->over)
		return 0;
	remote_read_line(p, SANDBOX_CONTROL "/out/base", p->base,
	    sizeof(p->base));
	if (!remote_is_commit(p->base))
		return pipeline_fail(p, "internal", e,
		    "The clone has no commit.");
	return 0;
}
