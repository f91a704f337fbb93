#ifndef GITHUB_READ_H
#define GITHUB_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "github/host.h"

/*
 * read: GitHub's JSON as our structs. What does not hold what we rely on is
 * ERR_BROKEN; what we do not rely on is not looked at. Pure.
 */

/* The login alone. */
int read_viewer(struct host_viewer *v, const char *json, size_t len,
    struct err *e) MUST_CHECK;

int read_repo(struct host_repo *r, const char *json, size_t len,
    struct err *e) MUST_CHECK;

/* Of refs/heads/<branch> and no other. */
int read_ref(struct host_ref *ref, const char *branch, const char *json,
    size_t len, struct err *e) MUST_CHECK;

/* One pull request, as the answer to its creation. */
int read_pull(struct host_pull *p, const char *json, size_t len,
    struct err *e) MUST_CHECK;

/*
 * The one of a list from owner's branch w->head into w->base: the first that
 * is open, else the first. Others are passed over, since GitHub drops a filter
 * that it does not understand and lists all.
 */
int read_pulls(struct host_pull *p, const char *owner,
    const struct host_pull_wish *w, const char *json, size_t len,
    struct err *e) MUST_CHECK;

/* True if text may stand for an owner or a repository in a path. */
bool read_is_name(const char *text);

#endif
