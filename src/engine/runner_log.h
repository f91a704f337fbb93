#ifndef ENGINE_RUNNER_LOG_H
#define ENGINE_RUNNER_LOG_H

/*
 * runner_log: a runner writes into a file in its spool, so that no reader of
 * the log can ever hold it up (P8), and the file goes with the spool. With
 * LOG_LEVEL=debug what it says is shown in the reaper's log before that.
 */
void runner_log_show(int dirfd, const char *name);

#endif
