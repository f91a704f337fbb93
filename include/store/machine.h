#ifndef STORE_MACHINE_H
#define STORE_MACHINE_H

#include "db/db.h"

/*
 * machine: one state folder with its one reaper. Its row is the reaper's
 * heartbeat, which /readyz looks at.
 */

/*
 * First beat of a reaper. ERR_CONFLICT: the same id was seen within fresh_s
 * with another boot id: the state folder was copied (fault 53).
 */
int machine_register(struct db *db, const char *id, const char *boot_id,
    unsigned int fresh_s, struct err *e) MUST_CHECK;
int machine_beat(struct db *db, const char *id, struct err *e) MUST_CHECK;

/* Seconds since any reaper's last beat; -1 when there never was one. */
int machine_age_s(struct db *db, double *age_s, struct err *e) MUST_CHECK;

#endif
