#include "github/host.h"

#include <string.h>

/* clang-format off */
static const struct {
	const char *name;
	enum err_kind kind;
	bool passes;
	const char *text;
} outcomes[HOST_OUTCOME_N] = {
	[HOST_OK] = { "ok", ERR_NONE, false, "OK" },
	[HOST_BAD_TOKEN] = { "bad_token", ERR_UNKNOWN, false,
	    "GitHub does not accept the token: it is wrong, expired or revoked" },
	[HOST_NO_PERMISSION] = { "no_permission", ERR_DENIED, false,
	    "The token lacks a permission for this repository (a classic token "
	    "needs the scope 'repo', a fine-grained one 'Contents' and "
	    "'Pull requests', read and write)" },
	[HOST_SSO] = { "sso", ERR_DENIED, false,
	    "The organization wants the token to be authorized for its single "
	    "sign-on (SAML) first, in the token's settings on GitHub" },
	[HOST_FORBIDDEN] = { "forbidden", ERR_DENIED, false,
	    "GitHub refuses access" },
	[HOST_RATE_LIMIT] = { "rate_limit", ERR_RETRY, true,
	    "GitHub's rate limit is reached; try again later" },
	[HOST_NOT_FOUND] = { "not_found", ERR_ABSENT, false,
	    "GitHub finds no such thing, or the token may not see it" },
	[HOST_CONFLICT] = { "conflict", ERR_CONFLICT, false,
	    "It changed on GitHub meanwhile; try again" },
	[HOST_INVALID] = { "invalid", ERR_INVALID, false,
	    "GitHub does not accept the request" },
	[HOST_ARCHIVED] = { "archived", ERR_DENIED, false,
	    "The repository is archived, so it is read-only" },
	[HOST_BLOCKED] = { "blocked", ERR_DENIED, false,
	    "GitHub has disabled the repository" },
	[HOST_PROTECTED] = { "protected", ERR_DENIED, false,
	    "A rule of the repository protects the branch" },
	[HOST_UNREACHABLE] = { "unreachable", ERR_RETRY, true,
	    "GitHub is not reachable" },
	[HOST_TIMEOUT] = { "timeout", ERR_RETRY, true,
	    "GitHub did not answer in time" },
	[HOST_BROKEN] = { "broken", ERR_BROKEN, false,
	    "GitHub's answer makes no sense" },
	[HOST_INTERNAL] = { "internal", ERR_BROKEN, false,
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

enum err_kind
host_outcome_kind(enum host_outcome outcome)
{
	return outcomes[place_of(outcome)].kind;
}

bool
host_outcome_passes(enum host_outcome outcome)
{
	return outcomes[place_of(outcome)].passes;
}

int
host_failure_err(const struct host_failure *f, struct err *e)
{
	enum err_kind kind = host_outcome_kind(f->outcome);

	if (f->message[0] == '\0')
		return err_set(e, kind, "%s", host_text(f->outcome));
	return err_set(e, kind, "%s: %s", host_text(f->outcome), f->message);
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
