#ifndef UTIL_PROC_CHILD_H
#define UTIL_PROC_CHILD_H

#include "util/proc.h"

/*
 * proc_child: what stands between fork and exec. Private to proc.
 */

#define PROC_FD_MAX 32      /* descriptors that a spec may name */
#define PROC_FD_HIGHEST 255 /* the highest number they may get */

enum proc_step {
	PROC_SESSION,
	PROC_DESCRIPTORS,
	PROC_PRIORITY,
	PROC_LIMITS,
	PROC_USER,
	PROC_ORPHAN,
	PROC_FOLDER,
	PROC_SIGNALS,
	PROC_EXEC,
	PROC_STEP_N
};

/* What a child that cannot become the program writes into the pipe. */
struct proc_report {
	enum proc_step step;
	int why; /* errno */
};

const char *proc_step_name(enum proc_step step);

/*
 * In the child: becomes the program, or reports and exits. Only
 * async-signal-safe calls, since a library may have had threads (U12).
 */
_Noreturn void proc_become(const struct proc_spec *spec, int report,
    pid_t parent);

#endif
