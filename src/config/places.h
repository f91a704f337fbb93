#ifndef CONFIG_PLACES_H
#define CONFIG_PLACES_H

#include "config/config.h"

/*
 * places: that secrets and sockets do not lie where sandboxes can look.
 * Private to config/.
 */

/*
 * ERR_INVALID: a place is below a folder that every sandbox sees, or one of
 * SIMULATION_AGENT_PATH, or that folder is in a place; or is no full name.
 */
int config_check_places(const struct config *c, struct err *e) MUST_CHECK;

#endif
