#ifndef REPO_BRANCH_H
#define REPO_BRANCH_H

#include <stdbool.h>

/*
 * branch_valid: HTTP contract D12 and git's own rules together:
 * [A-Za-z0-9._/-]{1,255}, no "..", no "//", no leading - / ~ ., no component
 * that begins with "." or ends in ".lock", not ending in / or . and not
 * "HEAD" or "@". What passes also passes git check-ref-format --branch (R4).
 */
#define BRANCH_MAX 255
bool branch_valid(const char *name);

#endif
