#ifndef SPOOL_SPAWN_H
#define SPOOL_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "util/err.h"

/*
 * spawn: what the reaper and its spawner say to each other, over a
 * SOCK_SEQPACKET pair.
 *
 * The spawner ("taskmill spawner") is a process that has loaded everything a
 * runner needs and nothing else: no configuration, no database password, no
 * key ever was in its memory. It forks one runner a request, without exec, so
 * a runner starts in about a millisecond and shares its pages with all others.
 * It leaves when the reaper's end is closed; runners do not notice.
 *
 * A request is the name "TASK.ATTEMPT" with three descriptors: the spool
 * folder, its locked lock file (P10), and the read end of the secrets pipe. The
 * answer is the pid with a pidfd, or an errno.
 */
int spawn_request(int sock, const char *name, int spool_fd, int lock_fd,
    int secrets_fd, struct err *e) MUST_CHECK;

/* Waits at most limit_ms. pidfd is the caller's to close. */
int spawn_reply(int sock, int limit_ms, pid_t *pid, int *pidfd,
    struct err *e) MUST_CHECK;

/* The spawner's side. 1 with a request, 0 when the reaper has left. */
struct spawn_request {
	char name[40];
	int spool_fd, lock_fd, secrets_fd;
};

int spawn_receive(int sock, struct spawn_request *rq, struct err *e) MUST_CHECK;

/* failure: an errno, or 0 with the pid and its pidfd. */
int spawn_answer(int sock, pid_t pid, int pidfd, int failure,
    struct err *e) MUST_CHECK;

#endif
