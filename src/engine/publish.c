/* Pull requests: claimed like tasks, pushed by runners (reliability 12). */
#include <stdio.h>
#include <string.h>

#include "engine/impl.h"
#include "repo/branch.h"
#include "store/publish.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"

/* A result with no patch in it: names, texts, numbers. */
#define RESULT_MAX ((size_t)1024 * 1024)

static bool
has_place(const struct engine *g)
{
	size_t pushing = 0;

	for (size_t i = 0; i < g->runs.count; i++)
		if (hold_publishes(&g->runs.at[i]->hold))
			pushing++;
	/* Nobody waits for more than the API's workers can. */
	return pushing < (size_t)g->config->outbound_workers;
}

int
publish_claim_one(struct engine *g)
{
	struct publish_claim c;
	struct err e = { 0 };
	int got;

	if (!has_place(g))
		return 0;
	got = publish_claim(g->db, g->id.owner,
	    (unsigned int)g->config->lease_s, &c, &e);
	if (got == -1) {
		link_failed(g, &e, "claim a pull request");
		/* The claim may stand all the same: it has no run then. */
		g->wishes.at_ms = 0;
		return 0;
	}
	link_worked(g, clock_mono_ms());
	if (got == 1)
		start_publishing(g, &c);
	publish_claim_clear(&c);
	return got;
}

/* Writes the end; 0 when it is written, -1 when it has to be tried again. */
static int
complete(struct engine *g, const struct hold *h,
    const struct publish_result *result, struct err *e)
{
	if (publish_complete(g->db, h, result, e) == -1) {
		if (e->kind != ERR_CONFLICT)
			return -1;
		log_line(LOG_INFO, "push refused id=%jd attempt=%u",
		    (intmax_t)h->task_id, h->attempt);
		return 0;
	}
	link_worked(g, clock_mono_ms());
	log_line(LOG_INFO, "push ended id=%jd branch=%s failure=%s",
	    (intmax_t)h->task_id,
	    result->head_branch == NULL ? "-" : result->head_branch,
	    result->failure == NULL ? "-" : result->failure);
	return 0;
}

int
publish_end(struct engine *g, struct run *r, const struct publish_result *p)
{
	struct err e = { 0 };

	if (complete(g, &r->hold, p, &e) == 0)
		return 0;
	if (e.kind == ERR_RETRY)
		link_failed(g, &e, "complete a push");
	else
		ship_fault(r, &e, "complete a push");
	return -1;
}

void
publish_refuse(struct engine *g, const struct hold *h, const char *failure,
    const char *text)
{
	const struct publish_result p = { .failure = failure, .error = text };
	struct err e = { 0 };

	/* The row is ours and has no run: adopt_wishes() finds it. */
	if (complete(g, h, &p, &e) == -1)
		link_failed(g, &e, "complete a push");
}

/* "branch" of the metadata; false when there is none that may be one. */
static bool
read_branch(const struct spool_result *r, char out[BRANCH_MAX + 1],
    struct err *e)
{
	struct json_object *o = NULL;
	const char *branch = "";
	size_t len;
	bool good = false;

	if (r->metadata != NULL &&
	    json_read(&o, r->metadata, strlen(r->metadata), e) == 0 &&
	    json_is_object(o) &&
	    json_get_string(o, "branch", &branch, &len) == JSON_FOUND &&
	    branch_valid(branch)) {
		(void)snprintf(out, BRANCH_MAX + 1, "%s", branch);
		good = true;
	}
	json_free(o);
	return good;
}

int
publish_deliver(struct engine *g, struct run *r)
{
	const struct spool_result_limits limits = {
		.patch_max = RESULT_MAX,
		.small_max = RESULT_MAX,
	};
	char branch[BRANCH_MAX + 1] = "", error[PUBLISH_ERROR_MAX + 1];
	struct publish_result p = { .failure = "internal", .error = error };
	struct spool_result from = { 0 };
	struct err e = { 0 };
	int rc = 1;

	(void)snprintf(error, sizeof(error), "The push has no result.");
	if (spool_result_read(r->dirfd, &limits, &from, &e) == -1) {
		if (e.kind == ERR_RETRY) {
			ship_fault(r, &e, "read result");
			return -1;
		}
		log_err(LOG_ERROR, &e, "result unreadable run=%s", r->name);
	} else if (strcmp(from.outcome, "completed") == 0) {
		if (from.commit_hash != NULL && read_branch(&from, branch, &e))
			p = (struct publish_result){ branch, from.commit_hash,
				NULL, NULL };
	} else if (strcmp(from.outcome, "cancelled") == 0) {
		rc = 0; /* stopped from outside: nobody here asked for it */
	} else {
		(void)snprintf(error, sizeof(error), "%.*s", PUBLISH_ERROR_MAX,
		    from.error == NULL ? "" : from.error);
		p.failure = from.failure == NULL ? "internal" : from.failure;
	}
	if (rc == 1 && publish_end(g, r, &p) == -1)
		rc = -1;
	spool_result_clear(&from);
	return rc;
}
