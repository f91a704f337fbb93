#ifndef EXEC_PATCH_SECRETS_H
#define EXEC_PATCH_SECRETS_H

#include "exec/patch.h"
#include "exec/pipeline.h"

/*
 * What stands encoded in a patch the redactor cannot see. So the files that do,
 * or that are to, are searched before: sets their secret. 0 also when p->over.
 */
int patch_find_secrets(struct pipeline *p, struct patch_files *f,
    struct err *e) MUST_CHECK;

/* Warns the user if the redactor will change the patch. */
int patch_warn(struct pipeline *p, const char *patch, size_t len,
    struct err *e) MUST_CHECK;

#endif
