#ifndef API_OUTBOUND_H
#define API_OUTBOUND_H

#include "api/call.h"
#include "github/host.h"
#include "repo/url.h"

/*
 * outbound: what the two endpoints that ask GitHub have in common: the
 * connection, which repositories are that host's, and how its refusals are
 * answered (contract D22, D25).
 */

/* The host, borrowed from the process; made by the first call. */
int outbound_host(struct api *a, const struct code_host **h,
    struct err *e) MUST_CHECK;
void outbound_close(struct api *a);

/* True if this repository is one of the host's. */
bool outbound_serves(const struct code_host *h, const struct repo_url *u);

/* Status of an answer for an outcome that is a failure. */
int outbound_status(enum host_outcome outcome);

/*
 * Answers {"error":"<prefix><text>"} under status; with Retry-After when the
 * host said when, or when the same call may work later. Logs what it was.
 */
int outbound_refuse(struct call *c, int status, const char *prefix,
    const struct host_failure *f);

/* Header and log line of outbound_refuse() alone, for other bodies. */
void outbound_note(struct call *c, const struct host_failure *f);

/* The words for a failure: what it means and, behind a colon, what was said. */
#define OUTBOUND_TEXT_MAX 800
void outbound_text(char out[OUTBOUND_TEXT_MAX], const struct host_failure *f);

#endif
