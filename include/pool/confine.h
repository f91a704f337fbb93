#ifndef POOL_CONFINE_H
#define POOL_CONFINE_H

#include "util/err.h"

/*
 * confine: system calls that a worker gives up once it has started (H1): exec,
 * fork, ptrace, mounts, namespaces, keys, bpf, io_uring and their like fail
 * with EPERM from here on; clone3 with ENOSYS, so that a library's threads fall
 * back to clone (U12). For good, and for this process only.
 */
int confine_worker(struct err *e) MUST_CHECK;

#endif
