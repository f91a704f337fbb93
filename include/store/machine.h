#ifndef STORE_MACHINE_H
#define STORE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

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

/*
 * The next ones. trouble: why it takes no tasks now, in some words that anybody
 * may read; NULL: it does.
 */
int machine_beat(struct db *db, const char *id, const char *trouble,
    struct err *e) MUST_CHECK;

/* Seconds since any reaper's last beat; -1 when there never was one. */
int machine_age_s(struct db *db, double *age_s, struct err *e) MUST_CHECK;

/*
 * Why no machine that was seen within fresh_s takes tasks; "" when one does, or
 * when none was seen.
 */
#define MACHINE_TROUBLE_MAX 101
int machine_trouble(struct db *db, unsigned int fresh_s,
    char trouble[MACHINE_TROUBLE_MAX], struct err *e) MUST_CHECK;

/*
 * What the janitor of this machine has seen of the cloud's sandboxes (whole:
 * all of them), and how many it has just killed.
 */
int machine_cloud_note(struct db *db, const char *id, bool whole,
    unsigned int seen, unsigned int killed, struct err *e) MUST_CHECK;

struct machine_cloud {
	int64_t sandboxes; /* as last seen by any machine; -1: never */
	int64_t age_s;     /* since then */
	int64_t killed;    /* by all machines so far */
};

int machine_cloud_get(struct db *db, struct machine_cloud *m,
    struct err *e) MUST_CHECK;

#endif
