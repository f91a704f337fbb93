#ifndef GITHUB_HOST_H
#define GITHUB_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/branch.h"
#include "repo/url.h"
#include "util/err.h"

/*
 * host: what we ask of the place that keeps a user's repositories, whichever
 * it is, and how its refusals are called. One kind is built (github.h);
 * another would fill a struct code_host with functions of its own.
 *
 * A call returns 0, or -1 once it has filled a struct host_failure. Nothing
 * here keeps or logs a token.
 */

#define HOST_LOGIN_MAX 100
#define HOST_SCOPES_MAX 511
#define HOST_SHA_MAX 64 /* hex; 40, or 64 with SHA-256 */
#define HOST_PULL_URL_MAX 512
#define HOST_TITLE_MAX 256   /* characters; GitHub's limit */
#define HOST_BODY_MAX 65536  /* characters; likewise */
#define HOST_MESSAGE_MAX 400 /* bytes kept of what a host said */

/* Why a call failed. host_text() has the words for users. */
enum host_outcome {
	HOST_OK = 0,
	HOST_BAD_TOKEN,     /* not a token, expired or revoked */
	HOST_NO_PERMISSION, /* the token lacks a scope or a permission */
	HOST_SSO,           /* the organisation wants single sign-on first */
	HOST_FORBIDDEN,     /* refused for another reason */
	HOST_RATE_LIMIT,    /* too many calls; see retry_after_s */
	HOST_NOT_FOUND,     /* not there, or not for this token to see */
	HOST_CONFLICT,      /* it changed meanwhile */
	HOST_INVALID,       /* what was asked for is not acceptable */
	HOST_ARCHIVED,      /* the repository is read-only */
	HOST_BLOCKED,       /* the host disabled the repository */
	HOST_PROTECTED,     /* a rule protects the branch */
	HOST_UNREACHABLE,   /* network, or the host has a fault of its own */
	HOST_TIMEOUT,       /* no answer in time */
	HOST_BROKEN,        /* an answer that makes no sense */
	HOST_INTERNAL,      /* ours: memory, or a request we may not send */
	HOST_OUTCOME_N
};

struct host_failure {
	enum host_outcome outcome;
	int status;        /* of HTTP; 0: there was no answer */
	int retry_after_s; /* -1: not said */

	/* What the host said, one clean line of UTF-8, or what went wrong on
	 * the way. Never holds a token. "" if nothing was said. */
	char message[HOST_MESSAGE_MAX + 1];
};

/* One sentence for users about an outcome. Never NULL. */
const char *host_text(enum host_outcome outcome);

/* For log lines: "bad_token", "rate_limit", ... Never NULL. */
const char *host_outcome_name(enum host_outcome outcome);

/*
 * True if the same call may work later without the user doing anything:
 * a client is told 502 and, if known, when (HTTP contract D25).
 */
bool host_outcome_passes(enum host_outcome outcome);

/* Whom a token belongs to. */
struct host_viewer {
	char login[HOST_LOGIN_MAX + 1];

	/* Classic tokens name their scopes ("repo, workflow"); others, such as
	 * fine-grained ones, do not say what they may do. */
	bool has_scopes;
	char scopes[HOST_SCOPES_MAX + 1];
};

struct host_repo {
	/* As it is called now: other than what was asked for once renamed.
	 * Use these in the calls that follow. */
	char owner[REPO_NAME_MAX + 1];
	char name[REPO_NAME_MAX + 1];

	char default_branch[BRANCH_MAX + 1]; /* passes branch_valid() or "" */
	bool is_private;
	bool archived;
	bool disabled;
	bool may_push;
	bool may_admin;
};

struct host_ref {
	bool found;
	char sha[HOST_SHA_MAX + 1]; /* "" unless found */
};

enum host_pull_state {
	HOST_PULL_OPEN,
	HOST_PULL_CLOSED,
	HOST_PULL_MERGED
};

struct host_pull {
	bool found;
	bool existed; /* of pull_create: it was there before this call */
	int64_t number;
	char url[HOST_PULL_URL_MAX + 1]; /* for a browser; https, or http */
	char head_sha[HOST_SHA_MAX + 1];
	enum host_pull_state state;
};

/* With which right, and about which repository. */
struct host_place {
	const char *token;
	const char *owner;
	const char *name;
};

/* Both branches are in the repository itself: head is not a fork's. */
struct host_pull_wish {
	const char *head;
	const char *base;
	const char *title; /* not for pull_find */
	const char *body;  /* likewise; NULL: none */
};

/* True if a token with these scopes may create branches of r, as far as can
 * be told without writing (HTTP contract D21). */
bool host_may_create_branches(const struct host_viewer *v,
    const struct host_repo *r);

/* A kind of host and a connection to it; see github.h for each function. */
struct code_host {
	const char *repo_host; /* HOST[:PORT] in URLs of its repositories */
	void *self;
	int (*viewer)(void *self, const char *token, struct host_viewer *v,
	    struct host_failure *f);
	int (*repo)(void *self, const struct host_place *at,
	    struct host_repo *r, struct host_failure *f);
	int (*branch)(void *self, const struct host_place *at,
	    const char *branch, struct host_ref *ref, struct host_failure *f);
	int (*pull_find)(void *self, const struct host_place *at,
	    const struct host_pull_wish *w, struct host_pull *p,
	    struct host_failure *f);
	int (*pull_create)(void *self, const struct host_place *at,
	    const struct host_pull_wish *w, struct host_pull *p,
	    struct host_failure *f);
	enum host_outcome (*push_refused)(const char *text);
};

#endif
