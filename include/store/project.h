#ifndef STORE_PROJECT_H
#define STORE_PROJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"

/*
 * project: a repository that a user has given a name (HTTP contract 5).
 *
 * As with tasks, every function names the user, and a project of somebody else
 * is ERR_ABSENT "Project not found", like one that does not exist.
 */

/* One row. Borrowed until the callback returns; NULL where the column is. */
struct project_row {
	int64_t id;
	const char *user_id;
	const char *repo_url;
	const char *repo_name;
	const char *repo_owner;
	const char *name;
	size_t name_len;
	const char *description;
	size_t description_len;
	bool is_active;
	const char *settings; /* JSON */
	size_t settings_len;
	const char *created_at; /* contract format 1; "" when NULL */
	const char *updated_at;
	bool is_test_data;
};

/* Must not use the handle; -1 ends the reading. */
typedef int project_row_fn(void *ctx, const struct project_row *row,
    struct err *e);

/* Newest first. */
int project_list(struct db *db, const char *user_id, project_row_fn *fn,
    void *ctx, struct err *e) MUST_CHECK;
int project_get(struct db *db, const char *user_id, int64_t id,
    project_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* Whether it is there. */
int project_check(struct db *db, const char *user_id, int64_t id,
    struct err *e) MUST_CHECK;

/*
 * What is written. In an update NULL leaves a column as it is, but for the
 * description, which may itself become NULL. Borrowed.
 */
struct project_values {
	const char *name;
	const char *repo_url;
	const char *repo_owner;
	const char *repo_name;
	bool set_description;
	const char *description;
	bool set_active;
	bool is_active;
	const char *settings; /* JSON */
	size_t settings_len;
};

/* ERR_CONFLICT: the user has a project with this repo_url. */
int project_add(struct db *db, const char *user_id,
    const struct project_values *v, int64_t *id, struct err *e) MUST_CHECK;

/* updated_at is set even if nothing else is (5.4). ERR_CONFLICT as above. */
int project_update(struct db *db, const char *user_id, int64_t id,
    const struct project_values *v, struct err *e) MUST_CHECK;

/*
 * Deletes a project with all of its tasks and what belongs to them. Tasks that
 * run lose their place in the queue: poke the reaper, which then stops their
 * runners and removes what they have left.
 *
 * A project of many tasks goes in several transactions, the row of the project
 * in the last one: who is interrupted asks again.
 */
int project_delete(struct db *db, const char *user_id, int64_t id,
    struct err *e) MUST_CHECK;

#endif
