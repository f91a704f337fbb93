#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/pull.h"
#include "api/pull_failure.h"
#include "util/log.h"

#define TEXT_MAX 1600
#define RETRY_S 10

static int
refuse_repo(struct call *c, const struct pull *p)
{
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "Repository '%s/%s' not found",
	    p->url.owner, p->url.name);
	return call_refuse(c, 422, text);
}

/* What of a refusal stands before the host's own words. */
static void
prefix_of(char out[256], const struct call *c, enum host_outcome outcome)
{
	switch (outcome) {
	case HOST_NO_PERMISSION:
		(void)snprintf(out, 256,
		    "GitHub token lacks permission to create branches. Please "
		    "ensure your token has 'repo' scope (not just "
		    "'public_repo'). Error: ");
		break;
	case HOST_SSO:
	case HOST_FORBIDDEN:
	case HOST_ARCHIVED:
	case HOST_BLOCKED:
	case HOST_PROTECTED:
		(void)snprintf(out, 256,
		    "Failed to create branch 'claude-code-%" PRId64 "': ",
		    c->id);
		break;
	default:
		out[0] = '\0';
		break;
	}
}

int
pull_refuse(struct call *c, const struct pull *p, const struct host_failure *f)
{
	char prefix[256];

	if (f->outcome == HOST_NOT_FOUND) {
		outbound_note(c, f);
		return refuse_repo(c, p);
	}
	prefix_of(prefix, c, f->outcome);
	return outbound_refuse(c, outbound_status(f->outcome), prefix, f);
}

int
pull_refuse_base(struct call *c, const struct pull *p)
{
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "Base branch '%s' not found",
	    p->task.branch);
	return call_refuse(c, 422, text);
}

static int
refuse_conflict(struct call *c, const struct pull *p)
{
	bool named = p->row.error[0] != '\0';
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text),
	    "The changes conflict with '%s'%s%.1100s", p->task.branch,
	    named ? " in: " : "", named ? p->row.error : "");
	return call_refuse(c, 409, text);
}

static int
refuse_same(struct call *c, const struct pull *p)
{
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "The changes are already in '%s'",
	    p->task.branch);
	return call_refuse(c, 409, text);
}

static int
refuse_taken(struct call *c, const struct pull *p)
{
	char text[TEXT_MAX];

	(void)p;
	(void)snprintf(text, sizeof(text),
	    "Branch 'claude-code-%" PRId64 "' already exists. Please try again "
	    "or use a different task.",
	    c->id);
	return call_refuse(c, 403, text);
}

static int
refuse_host(struct call *c, const struct pull *p, enum host_outcome outcome)
{
	struct host_failure f = { .outcome = outcome, .retry_after_s = -1 };

	pull_flatten(f.message, sizeof(f.message), p->row.error);
	return pull_refuse(c, p, &f);
}

/* git's words, which only the host's own kind understands. */
static int
refuse_words(struct call *c, const struct pull *p)
{
	return refuse_host(c, p, p->host->push_refused(p->row.error));
}

/* Nobody answered, each time: unless it was a limit that is no refusal. */
static int
refuse_network(struct call *c, const struct pull *p)
{
	enum host_outcome outcome = p->host->push_refused(p->row.error);

	return refuse_host(c, p,
	    host_outcome_passes(outcome) ? outcome : HOST_UNREACHABLE);
}

/* retry_s 0: no Retry-After. */
static int
refuse_later(struct call *c, int status, int retry_s, const char *text)
{
	char seconds[16];

	(void)snprintf(seconds, sizeof(seconds), "%d", retry_s);
	if (retry_s > 0)
		http_response_header(c->rs, "Retry-After", seconds);
	return call_refuse(c, status, text);
}

static int
refuse_no_files(struct call *c, const struct pull *p)
{
	(void)p;
	return call_refuse(c, 500,
	    "Failed to apply patch - no file changes extracted");
}

/* "lost": there is no reaper, or it and its runs go down again and again. */
static int
refuse_lost(struct call *c, const struct pull *p)
{
	return refuse_later(c, 502, RETRY_S, p->row.error);
}

/* How only a push ends; all else is a class of tasks too. */
static const struct {
	const char *failure;
	int (*refuse)(struct call *c, const struct pull *p);
} failures[] = {
	{ "refused", refuse_words },
	{ "network", refuse_network },
	{ "no_base", pull_refuse_base },
	{ "conflict", refuse_conflict },
	{ "same", refuse_same },
	{ "taken", refuse_taken },
	{ "no_files", refuse_no_files },
	{ "lost", refuse_lost },
};

static int
refuse_class(struct call *c, const struct pull *p)
{
	const struct pull_failure *f =
	    pull_failure_of(failure_of(p->row.failure));

	if (f->status == 500)
		return call_refuse(c, 500, "Internal server error");
	return refuse_later(c, f->status, f->retry_s,
	    f->text == NULL ? p->row.error : f->text);
}

int
pull_refuse_push(struct call *c, const struct pull *p)
{
	log_line(LOG_WARN, "push failed id=%s failure=%s text=" LOG_STR,
	    c->rq->request_id, p->row.failure, log_str(p->row.error));
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (strcmp(failures[i].failure, p->row.failure) == 0)
			return failures[i].refuse(c, p);
	return refuse_class(c, p);
}
