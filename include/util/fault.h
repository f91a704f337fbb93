#ifndef UTIL_FAULT_H
#define UTIL_FAULT_H

/*
 * fault: named places between two steps where a test can make this process
 * die, stop or stall. Compiled in by configure --enable-fault-injection;
 * otherwise FAULT_POINT() is nothing.
 *
 *	TASKMILL_FAULT=point:nth:action[,point:nth:action...]
 *
 * nth counts this process's passes from 1; action is exit, kill (SIGKILL to
 * itself), stop (SIGSTOP), or sleep=MS. With TASKMILL_FAULT_ONCE=FOLDER each
 * point acts only once per folder, whichever process gets there first (an
 * O_EXCL file named after the point), so that what takes over is spared.
 *
 * All points stand in the table of fault.c, with the process they belong to;
 * a name that is not there aborts, and "taskmill fault-points" lists them for
 * the tests, which kill each one once.
 */
#ifdef TASKMILL_FAULTS
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

/* Prints "point process" lines; the exit status of the sub-command. */
int fault_points_print(void);

#endif
