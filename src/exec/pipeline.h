#ifndef EXEC_PIPELINE_H
#define EXEC_PIPELINE_H

#include <stdbool.h>

#include "agents/agent.h"
#include "agents/output.h"
#include "exec/sandbox.h"
#include "spool/spec.h"
#include "spool/spool.h"
#include "util/err.h"

/*
 * pipeline: from a spec to a result, over one sandbox (design, invariant 6):
 *
 *	sandbox -> clone -> agent -> collect
 *	sandbox -> fetch -> apply -> push	(of the job "publish")
 *
 * Each step is one or two commands in the sandbox, because every command
 * costs its start. pipeline_close() comes after the result has been written:
 * nobody has to wait for a workspace to be removed.
 */
enum step {
	STEP_SANDBOX,
	STEP_CLONE,
	STEP_AGENT,
	STEP_COLLECT,
	STEP_FETCH,
	STEP_APPLY,
	STEP_PUSH,
	STEP_N
};

struct pipeline {
	/* Set by the caller. */
	const struct spec *spec;
	const struct secrets *secrets;
	const struct redact *redact; /* knows the secrets */
	struct spool_writer *spool;
	int spool_fd;            /* its folder */
	const struct memo *memo; /* a sandbox to go on with; NULL: a new one */
	const char *digest;      /* of the secrets, for a memo */
	bool (*stop)(void *ctx); /* true: the run is to be cancelled */
	void *ctx;
	int wake_fd; /* readable before stop() is true */

	/* The pipeline's own. */
	struct sandbox *sb;
	struct sandbox_host host;
	struct sandbox_e2b e2b;
	struct agent agent; /* the one that runs: perhaps a stand-in */
	struct agent_report report;
	struct spool_result *result;
	char base[65];    /* the commit that was cloned, or fetched */
	char branch[256]; /* that was pushed */
	struct buf texts; /* JSON array: files before and after */
	unsigned int took_ms[STEP_N];
	bool agent_ran; /* from now on no failure may have it run again */
	bool over;      /* failed or cancelled: result says so */
};

/*
 * 0 with *r filled, whatever the outcome; -1 when there is none and another
 * attempt may do better (ERR_RETRY), or not.
 */
int pipeline_run(struct pipeline *p, struct spool_result *r,
    struct err *e) MUST_CHECK;
void pipeline_close(struct pipeline *p);

/*
 * The steps. 0: go on, or p->over is set; -1: no result can be had.
 */
int step_sandbox(struct pipeline *p, struct err *e);
int step_clone(struct pipeline *p, struct err *e);
int step_agent(struct pipeline *p, struct err *e);
int step_collect(struct pipeline *p, struct err *e);
int step_fetch(struct pipeline *p, struct err *e);
int step_apply(struct pipeline *p, struct err *e);
int step_push(struct pipeline *p, struct err *e);

/* Ends the run as failed, with a text that tells the user what to do. */
int pipeline_fail(struct pipeline *p, const char *failure, struct err *e,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Ends the run as cancelled. */
int pipeline_cancel(struct pipeline *p, struct err *e);

/*
 * Runs a script of share/sandbox/ as a trusted command; its standard error
 * goes to errors, redacted.
 */
struct script {
	const char *name;       /* file below share/sandbox/ */
	const char *const *env; /* more of it; may be NULL */
	bool network;
	unsigned int limit_s;
	const char *what;    /* for people: "Cloning the repository" */
	const char *setting; /* what sets limit_s */
	struct buf *errors;
	/* Its standard output, raw; else that goes to errors as well. */
	void (*output)(void *ctx, const char *bytes, size_t len);
	void *ctx;
};

/* Sets p->over when it was stopped or ran too long. */
int pipeline_script(struct pipeline *p, const struct script *s, int *code,
    struct err *e);

/* Puts a file of share/sandbox/ into the control folder. */
int pipeline_put_shared(struct pipeline *p, const char *name, struct err *e);

/* True in the mode "e2b". */
bool pipeline_in_cloud(const struct pipeline *p);

/* What came of a command that sandbox_run() says -1 of. */
int pipeline_sandbox_error(struct pipeline *p, struct err *e);

/* True if it was stopped or cut off, and the run has been ended for it. */
bool pipeline_cut(struct pipeline *p, const struct sandbox_end *end,
    const char *what, const char *setting, struct err *e);

#endif
