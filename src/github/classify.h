#ifndef GITHUB_CLASSIFY_H
#define GITHUB_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "github/host.h"

/*
 * classify: what an answer of GitHub's that is no success means. Pure.
 */

/* Of an answer: as much as it takes to judge it. "" or -1: not said. */
struct refusal {
	int status;
	int retry_after_s;
	const char *sso;       /* X-GitHub-SSO */
	const char *remaining; /* x-ratelimit-remaining */
	const char *reset;     /* x-ratelimit-reset, seconds since 1970 */
	const char *body;      /* NULL while len is 0 */
	size_t len;
	int64_t now_s;
};

/*
 * Waits are kept between these. GitHub asks for at least a minute where its
 * secondary limit does not say how long.
 */
#define WAIT_MIN_S 1
#define WAIT_UNSAID_S 60
#define WAIT_MAX_S (24 * 3600)

/* Fills *f. */
void classify(const struct refusal *r, struct host_failure *f);

/* True if a refusal says that there is such a pull request already. */
bool classify_says_exists(const struct host_failure *f);

/* Puts text, which may be anything, into f as one clean line. */
void classify_message(struct host_failure *f, const char *text, size_t len);

#endif
