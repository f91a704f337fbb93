#ifndef EXEC_STEP_AGENT_H
#define EXEC_STEP_AGENT_H

#include "exec/pipeline.h"
#include "exec/words.h"
#include "util/json.h"

/*
 * step_agent: what its files share. step_agent.c runs the agent,
 * step_agent_install.c sees to it that the agent is there, and
 * step_agent_end.c says what came of it.
 */
#define AGENT_TAIL_MAX ((size_t)1000) /* of what one said before it failed */

/* Who listens to the agent. */
struct agent_listener {
	struct pipeline *p;
	struct agent_output *reader;
	struct buf tail;    /* the last of its standard error */
	struct words words; /* what fills it */
	int64_t heard_ms;   /* when it last printed anything */
	bool printed;       /* anything on its standard output */
	bool begun;
};

/* "Claude Code", for texts. */
const char *agent_title(const struct pipeline *p);

/*
 * Puts a file of the agent's folder, or (shared) of share/sandbox/, into the
 * sandbox, to be run there.
 */
int agent_put_script(struct pipeline *p, const char *file, bool shared,
    const char *to, struct err *e) MUST_CHECK;

/*
 * Installs the agent in a cloud sandbox that lacks it, as its manifest says.
 * 0: go on, or p->over is set.
 */
int agent_install(struct pipeline *p, struct err *e) MUST_CHECK;

/* No key for it is configured: ends the run before it can fail. */
int agent_check_keys(struct pipeline *p, struct err *e) MUST_CHECK;

/* For the result's metadata: which agent it was, and what it used. */
void agent_put_report(const struct pipeline *p, struct json_out *j);

/* What came of it: its words, and whether it was a success. */
int agent_judge(struct agent_listener *l, const struct sandbox_end *end,
    struct err *e) MUST_CHECK;

#endif
