#ifndef DB_MIGRATE_H
#define DB_MIGRATE_H

#include <stdbool.h>

#include "db/db.h"

/*
 * migrate: the numbered files of sql/ (NNNN_name.sql), each applied once, in
 * order, and recorded in schema_migrations with its SHA-256.
 *
 * Two at once: the second waits up to 30 s for the first (GET_LOCK), then
 * fails with ERR_RETRY. A file that was changed after it was applied, or a
 * number that is missing, is ERR_BROKEN and nothing is applied. MariaDB
 * commits each DDL statement by itself, so a file that fails half way is
 * recorded as begun, and the next run says which statement it stopped at.
 */

/* The schema this program was built for: the highest file in sql/. */
#define SCHEMA_VERSION 8

/* Called for each file applied. */
typedef void migrate_report(void *ctx, unsigned int version, const char *name);

/*
 * Applies what is missing. *applied is their number, 0 when the schema was
 * current already.
 */
int migrate_run(struct db *db, const char *dir, unsigned int *applied,
    migrate_report *report, void *ctx, struct err *e) MUST_CHECK;

/* The newest version that is applied in full; 0 for an empty database. */
int migrate_version(struct db *db, unsigned int *version,
    struct err *e) MUST_CHECK;

/*
 * Whether this program can work with a database of this version. A newer one
 * will do: a migration adds, and removes only what the version before has
 * ceased to use, so the old program serves on while a new one is put in place.
 */
bool migrate_fits(unsigned int version);

#endif
