#include "exec/git_words.h"

#include <stddef.h>
#include <string.h>

/* Read from top to bottom; the first that is found decides. */
/* clang-format off */
static const struct git_meaning meanings[] = {
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
	{ "returned error: 413", "too_large",
	  "The repository's host does not take that much at once." },
	{ "pack exceeds", "too_large",
	  "The repository's host does not take that much at once." },
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
	{ "hung up unexpectedly", NULL, NULL },
	{ "RPC failed", NULL, NULL },
	{ "mpty reply", NULL, NULL },
	{ "unable to access", NULL, NULL },
};
/* clang-format on */

const struct git_meaning *
git_meaning_of(const char *said)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strstr(said, meanings[i].words) != NULL)
			return &meanings[i];
	}
	return NULL;
}

bool
git_could_not_fork(const char *said)
{
	static const char *const words[] = { "unable to fork", "annot fork",
		"unable to create thread", "Resource temporarily unavailable" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(said, words[i]) != NULL)
			return true;
	}
	return false;
}
