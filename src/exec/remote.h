#ifndef EXEC_REMOTE_H
#define EXEC_REMOTE_H

#include "exec/pipeline.h"

/*
 * remote: scripts of share/sandbox/ that talk to the repository's host: the
 * only commands that get the token, and only in their environment (R5).
 */

/* Puts what such scripts need into the control folder, and this one. */
int remote_prepare(struct pipeline *p, const char *script,
    struct err *e) MUST_CHECK;

/*
 * Runs one; env, network and limits of s are filled here: those of a clone.
 * Sets p->over when it was stopped or ran too long.
 */
int remote_run(struct pipeline *p, struct script *s, int *code,
    struct err *e) MUST_CHECK;

/*
 * Does once, and again after a pause when that sets *again: the network failed,
 * and p is over unless another try does better.
 */
#define REMOTE_TRIES 3
int remote_try(struct pipeline *p,
    int (*once)(struct pipeline *p, bool *again, struct err *e),
    struct err *e) MUST_CHECK;

/* A file's first line, in the control folder; "" when it is not there. */
void remote_read_line(struct pipeline *p, const char *path, char *out,
    size_t size);

/* True for a commit's id as git prints it. */
bool remote_is_commit(const char *id);

#endif
