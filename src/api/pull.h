#ifndef API_PULL_H
#define API_PULL_H

#include "api/body.h"
#include "api/outbound.h"
#include "api/pull_text.h"
#include "store/publish.h"

/* pull: one call of create-pr on its way. */
#define PULL_TEXT_MAX ((size_t)512 * 1024)

struct pull {
	struct publish_task task;
	struct body_text token, title, body; /* of the request */
	struct json_object *files;           /* changed files; NULL: none */
	struct repo_url url;                 /* as the task has it */
	const struct code_host *host;
	struct host_repo repo; /* as it is called now */
	struct publish_row row;
	bool was_pushed; /* by an earlier call */
	int64_t until_ms;
};

/*
 * Refusals, in the words of contract 4.2 and D25: by what the host said to a
 * call, that the base branch is not there, and by how the push failed.
 */
int pull_refuse(struct call *c, const struct pull *p,
    const struct host_failure *f);
int pull_refuse_base(struct call *c, const struct pull *p);
int pull_refuse_push(struct call *c, const struct pull *p);

#endif
