#include "github/github.h"

#include <string.h>

/*
 * In this order: a refusal often has several of these lines, the first of
 * which is the reason.
 */
static const struct {
	const char *words;
	enum host_outcome outcome;
} refusals[] = {
	{ "SAML SSO", HOST_SSO },
	{ "SAML enforcement", HOST_SSO },
	{ "was archived so it is read-only", HOST_ARCHIVED },
	{ "was archived so is read-only", HOST_ARCHIVED },
	{ "Repository access blocked", HOST_BLOCKED },
	{ "repository is disabled", HOST_BLOCKED },
	{ "repository has been disabled", HOST_BLOCKED },
	{ "GH006", HOST_PROTECTED }, /* a protected branch */
	{ "GH013", HOST_PROTECTED }, /* a rule set */
	{ "protected branch hook declined", HOST_PROTECTED },
	{ "repository rule violations", HOST_PROTECTED },
	{ "without `workflow` scope", HOST_NO_PERMISSION },
	{ "without `workflows` permission", HOST_NO_PERMISSION },
	{ "Write access to repository not granted", HOST_NO_PERMISSION },
	{ "Resource not accessible by", HOST_NO_PERMISSION },
	{ "GH001", HOST_INVALID }, /* a file that is too large */
	{ "pack exceeds", HOST_INVALID },
	{ "requested URL returned error: 413", HOST_INVALID },
	{ "Invalid username or", HOST_BAD_TOKEN },
	{ "Bad credentials", HOST_BAD_TOKEN },
	{ "Authentication failed", HOST_BAD_TOKEN },
	{ "could not read Username", HOST_BAD_TOKEN },
	{ "secondary rate limit", HOST_RATE_LIMIT },
	{ "requested URL returned error: 429", HOST_RATE_LIMIT },
	{ "Permission to ", HOST_NO_PERMISSION }, /* "… denied to user" */
	{ "requested URL returned error: 403", HOST_NO_PERMISSION },
	{ "Repository not found", HOST_NOT_FOUND },
	{ "requested URL returned error: 404", HOST_NOT_FOUND },
	/* Renamed since its name was asked for: redirects are not followed. */
	{ "requested URL returned error: 30", HOST_CONFLICT },
	{ "unable to update url base from redirection", HOST_CONFLICT },
	{ "(non-fast-forward)", HOST_CONFLICT },
	{ "(fetch first)", HOST_CONFLICT },
	{ "(already exists)", HOST_CONFLICT },
	{ "reference already exists", HOST_CONFLICT },
	{ "stale info", HOST_CONFLICT },
	{ "failed to lock", HOST_CONFLICT },
	{ "cannot lock ref", HOST_CONFLICT },
	{ "requested URL returned error: 5", HOST_UNREACHABLE },
	{ "Internal Server Error", HOST_UNREACHABLE },
	{ "Could not resolve host", HOST_UNREACHABLE },
	{ "Failed to connect", HOST_UNREACHABLE },
	{ "Connection timed out", HOST_TIMEOUT },
	{ "Operation too slow", HOST_TIMEOUT },
	{ "Connection reset", HOST_UNREACHABLE },
	{ "the remote end hung up", HOST_UNREACHABLE },
	{ "certificate", HOST_UNREACHABLE },
};

enum host_outcome
github_push_refused(const char *text)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcasestr(text, refusals[i].words) != NULL)
			return refusals[i].outcome;
	return HOST_FORBIDDEN;
}
