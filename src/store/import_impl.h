#ifndef STORE_IMPORT_IMPL_H
#define STORE_IMPORT_IMPL_H

#include "store/import.h"

/*
 * What a dry run knows: (kind, legacy id) -> an id. known_get() returns NULL
 * for what was never put.
 */
int known_put(struct import_known *k, enum import_kind kind,
    const char *legacy_id, const char *id, struct err *e) MUST_CHECK;
const char *known_get(const struct import_known *k, enum import_kind kind,
    const char *legacy_id);

/* The INSERT of one item, with the id if it is not 0; fills it->new_id. */
int import_write(struct db *db, struct import_item *it, int64_t id,
    int64_t project_id, struct err *e) MUST_CHECK;

#endif
