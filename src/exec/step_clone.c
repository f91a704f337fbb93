/* The clone, and what to tell users when it fails. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "exec/remote.h"

#define ERRORS_MAX ((size_t)8 * 1024)
#define TRIES 3
#define TICK_MS 50

static const int pauses_ms[TRIES] = { 0, 500, 2000 };

/*
 * What git's words mean. Read from top to bottom; the first that is found
 * decides. failure NULL: see the network.
 */
/* clang-format off */
static const struct {
	const char *words;
	const char *failure;
	const char *text;
} meanings[] = {
	{ "Authentication failed", "github_auth", NULL },
	{ "could not read Username", "github_auth", NULL },
	{ "could not read Password", "github_auth", NULL },
	{ "returned error: 401", "github_auth", NULL },
	{ "returned error: 403", "github_auth",
	  "The repository's host refuses access with this token (403). "
	  "The token needs the right to read the repository's contents." },
	{ "returned error: 404", "repo_access", NULL },
	{ "epository not found", "repo_access", NULL },
	{ "not found", "repo_access", NULL },
	{ "returned error: 301", "repo_access",
	  "The repository has moved: use its new URL." },
	{ "returned error: 302", "repo_access",
	  "The repository has moved: use its new URL." },
	{ "unable to update url base from redirection", "repo_access",
	  "The repository has moved: use its new URL." },
	{ "not valid: is this a git repository", "repo_access",
	  "There is no Git repository at this URL." },
	{ "No space left on device", "disk_full",
	  "There was no space left for the clone." },
	{ "certificate", "network",
	  "The certificate of the repository's host is not trusted." },
	{ "returned error: 429", NULL, NULL },
	{ "returned error: 5", NULL, NULL },
	{ "ould not resolve host", NULL, NULL },
	{ "ailed to connect", NULL, NULL },
	{ "onnection", NULL, NULL },
	{ "timed out", NULL, NULL },
	{ "Operation too slow", NULL, NULL },
	{ "early EOF", NULL, NULL },
	{ "unexpected disconnect", NULL, NULL },
	{ "RPC failed", NULL, NULL },
	{ "mpty reply", NULL, NULL },
	{ "unable to access", NULL, NULL },
};
/* clang-format on */

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

/* The machine had no room for a process: nothing that the user could change. */
static bool
could_not_fork(const char *said)
{
	static const char *const words[] = { "unable to fork", "annot fork",
		"unable to create thread", "Resource temporarily unavailable" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(said, words[i]) != NULL)
			return true;
	}
	return false;
}

/* Ends the run by what git said. True in *again: the network, try again. */
static int
fail_by_words(struct pipeline *p, const struct buf *errors, bool *again,
    struct err *e)
{
	const char *said = errors->len == 0 ? "" : errors->data;
	size_t n = sizeof(meanings) / sizeof(meanings[0]), i = 0;
	const char *line;
	int len;

	*again = false;
	if (could_not_fork(said))
		return err_set(e, ERR_RETRY, "no room for git's processes");
	while (i < n && strstr(said, meanings[i].words) == NULL)
		i++;
	line = last_line(errors, &len);
	if (i == n)
		return pipeline_fail(p, "internal", e,
		    "The repository could not be cloned: %.*s", len, line);
	if (meanings[i].failure == NULL) {
		*again = true;
		return pipeline_fail(p, "network", e,
		    "The repository's host could not be reached, after %d "
		    "tries: %.*s",
		    TRIES, len, line);
	}
	if (meanings[i].text != NULL)
		return pipeline_fail(p, meanings[i].failure, e, "%s",
		    meanings[i].text);
	if (strcmp(meanings[i].failure, "github_auth") == 0)
		return fail_auth(p, e);
	return pipeline_fail(p, meanings[i].failure, e,
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

/* Waits, but not when there is a wish to stop. */
static void
pause_ms(struct pipeline *p, int ms)
{
	for (; ms > 0 && !p->stop(p->ctx); ms -= TICK_MS)
		(void)poll(NULL, 0, TICK_MS);
}

int
step_clone(struct pipeline *p, struct err *e)
{
	bool again = true;

	if (remote_prepare(p, "clone.sh", e) == -1)
		return pipeline_sandbox_error(p, e);
	for (int i = 0; i < TRIES && again; i++) {
		pause_ms(p, pauses_ms[i]);
		if (p->stop(p->ctx))
			return pipeline_cancel(p, e);
		p->over = false;
		if (clone_once(p, &again, e) == -1)
			return -1;
		if (again && i + 1 < TRIES &&
		    spool_note(p->spool, "note",
			"The repository's host does not answer; trying again.",
			e) == -1)
			return -1;
	}
	if (p->over)
		return 0;
	remote_read_line(p, SANDBOX_CONTROL "/out/base", p->base,
	    sizeof(p->base));
	if (!remote_is_commit(p->base))
		return pipeline_fail(p, "internal", e,
		    "The clone has no commit.");
	return 0;
}
