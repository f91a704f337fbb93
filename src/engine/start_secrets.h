#ifndef ENGINE_START_SECRETS_H
#define ENGINE_START_SECRETS_H

#include "engine/impl.h"
#include "spool/spec.h"

/*
 * start_secrets: a runner's secrets, from the sealed token of its task and the
 * configuration.
 */

/* Text that ends a task before it began. */
struct refusal {
	enum failure failure; /* FAILURE_NONE: not refused */
	char text[480];
};

/* Always -1. */
int start_refuse(struct refusal *no, enum failure failure, const char *what,
    const struct err *why);

/*
 * has_agent: with the keys that its agent may have; a push has none. -1 with
 * *no. The caller clears s, whatever the result.
 */
int start_secrets(struct engine *g, const struct claim *c, bool has_agent,
    struct secrets *s, struct refusal *no) MUST_CHECK;

#endif
