#ifndef REPO_URL_H
#define REPO_URL_H

#include <stdbool.h>

#include "util/err.h"

/*
 * repo_url: what a user may name as a repository (HTTP contract D12, traps
 * U10, R4). Accepted, after trimming blanks at both ends:
 *
 *	https://HOST[:PORT]/OWNER/REPO[.git][/]
 *	git@HOST:OWNER/REPO[.git]              (becomes https)
 *
 * HOST must stand in the allow list; OWNER and REPO are of [A-Za-z0-9._-], at
 * most 100 characters, not "." or "..", and begin with no "-". No user,
 * password, query, fragment, percent sign, backslash or control character
 * anywhere. http only if allowed by name. Everything else is refused, so
 * whatever git might make of it (ext::, file:, ssh, options) cannot be reached.
 */

#define REPO_HOST_MAX 255
#define REPO_NAME_MAX 100
#define REPO_URL_MAX 512

struct repo_policy {
	/* Comma-separated "host" or "host:port", lower case; a host without
	 * a port means the scheme's default port. */
	const char *allowed_hosts;
	bool allow_http;
};

struct repo_url {
	char host[REPO_HOST_MAX + 8]; /* lower case, with ":port" if given */
	char owner[REPO_NAME_MAX + 1];
	char name[REPO_NAME_MAX + 1]; /* without ".git" */
	char clone[REPO_URL_MAX +
	    1]; /* what git is given: the parts, and ".git" */
	char stored[REPO_URL_MAX + 1]; /* as the user wrote it, trimmed */
};

/*
 * Reads text. ERR_INVALID with "Invalid GitHub URL format: <text>" (cut to 200
 * bytes and cleaned) when it is not such a URL, or of a host that is not
 * allowed: the contract has one text for both.
 */
int repo_url_read(struct repo_url *u, const char *text,
    const struct repo_policy *policy, struct err *e) MUST_CHECK;

/* "https://host[:port]/" of u: where its credential is valid. */
void repo_url_origin(const struct repo_url *u, char out[REPO_HOST_MAX + 20]);

#endif
