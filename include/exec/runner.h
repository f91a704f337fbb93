#ifndef EXEC_RUNNER_H
#define EXEC_RUNNER_H

/*
 * runner: one attempt at one task, from a spec to a result, in a process of
 * its own that has no database and no port (design, invariant 3).
 */

/* What a runner is given. All descriptors are its own from then on. */
struct runner_input {
	int spool_fd;   /* the folder, with spec.json in it */
	int lock_fd;    /* its lock file, locked */
	int secrets_fd; /* read end of the secrets pipe; -1: no secrets */
};

/*
 * Runs the attempt. SIGTERM asks it to stop: the agent's tree is ended, and the
 * result is "cancelled". Returns the exit status of the process:
 *
 *	0   result.json is there (whatever the outcome)
 *	75  no result, try again (secrets never came, disk full, ...)
 *	70  no result: spec or spool are broken
 */
int runner_run(const struct runner_input *in);

#endif
