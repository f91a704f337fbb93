#ifndef CMD_CLOUD_CONFIG_H
#define CMD_CLOUD_CONFIG_H

#include "config/config.h"
#include "exec/sandbox.h"

/*
 * The E2B account that the configuration names. Borrows from c and from
 * deployment, which it fills. ERR_INVALID in another mode than "e2b".
 */
int cloud_config(struct sandbox_e2b *set, const struct config *c,
    char deployment[CONFIG_DEPLOYMENT], struct err *e) MUST_CHECK;

#endif
