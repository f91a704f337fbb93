#include "github/host.h"

#include <string.h>

/* clang-format off */
static const struct {
	const char *name;
	bool passes;
	const char *text;
} outcomes[HOST_OUTCOME_N] = {
	[HOST_OK] = { "ok", false, "OK" },
	[HOST_BAD_TOKEN] = { "bad_token", false,
	    "GitHub does not accept the token: it is wrong, expired or revoked" },
	[HOST_NO_PERMISSION] = { "no_permission", false,
	    "The token lacks a permission for this repository (a classic token "
	    "needs the scope 'repo', a fine-grained one 'Contents' and "
	    "'Pull requests', read and write)" },
	[HOST_SSO] = { "sso", false,
	    "The organization wants the token to be authorized for its single "
	    "sign-on (SAML) first, in the token's settings on GitHub" },
	[HOST_FORBIDDEN] = { "forbidden", false,
	    "GitHub refuses access" },
	[HOST_RATE_LIMIT] = { "rate_limit", true,
	    "GitHub's rate limit is reached; try again later" },
	[HOST_NOT_FOUND] = { "not_found", false,
	    "GitHub finds no such thing, or the token may not see it" },
	[HOST_CONFLICT] = { "conflict", false,
	    "It changed on GitHub meanwhile; try again" },
	[HOST_INVALID] = { "invalid", false,
	    "GitHub does not accept the request" },
	[HOST_ARCHIVED] = { "archived", false,
	    "The repository is archived, so it is read-only" },
	[HOST_BLOCKED] = { "blocked", false,
	    "GitHub has disabled the repository" },
	[HOST_PROTECTED] = { "protected", false,
	    "A rule of the repository protects the branch" },
	[HOST_UNREACHABLE] = { "unreachable", true,
	    "GitHub is not reachable" },
	[HOST_TIMEOUT] = { "timeout", true,
	    "GitHub did not answer in time" },
	[HOST_BROKEN] = { "broken", false,
	    "GitHub's answer makes no sense" },
	[HOST_INTERNAL] = { "internal", false,
	    "The request to GitHub could not be made" },
};
/* clang-format on */

static size_t
place_of(enum host_outcome outcome)
{
	return outcome >= 0 && outcome < HOST_OUTCOME_N ? outcome
							: HOST_INTERNAL;
}

const char *
host_text(enum host_outcome outcome)
{
	return outcomes[place_of(outcome)].text;
}

const char *
host_outcome_name(enum host_outcome outcome)
{
	return outcomes[place_of(outcome)].name;
}

bool
host_outcome_passes(enum host_outcome outcome)
{
	return outcomes[place_of(outcome)].passes;
}

/* Is name one of the scopes in a list such as "gist, repo"? */
static bool
has_scope(const char *scopes, const char *name)
{
	size_t len = strlen(name);

	while (*scopes != '\0') {
		size_t n;

		scopes += strspn(scopes, ", ");
		n = strcspn(scopes, ", ");
		if (n == len && strncmp(scopes, name, len) == 0)
			return true;
		scopes += n;
	}
	return false;
}

bool
host_may_create_branches(const struct host_viewer *v, const struct host_repo *r)
{
	if (!r->may_push || r->archived || r->disabled)
		return false;
	return !v->has_scopes || has_scope(v->scopes, "repo") ||
	    (!r->is_private && has_scope(v->scopes, "public_repo"));
}
