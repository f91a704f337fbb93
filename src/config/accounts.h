#ifndef CONFIG_ACCOUNTS_H
#define CONFIG_ACCOUNTS_H

#include "config/config.h"

/*
 * accounts: what settings of sign-in mean together. Private to config/.
 */

/* Sets c->ways; ERR_INVALID names what does not fit. */
int config_check_accounts(struct config *c, struct err *e) MUST_CHECK;

#endif
