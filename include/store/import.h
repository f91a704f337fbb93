#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/db.h"

/*
 * import: rows of the old system's tables, put into ours. What was imported is
 * recorded in legacy_imports, so that nothing is imported twice, whatever has
 * become of it meanwhile, and so that the old ids of users and projects are
 * found again.
 *
 * Old ids are kept where they are free here.
 */

enum import_kind {
	IMPORT_USER,
	IMPORT_PROJECT,
	IMPORT_TASK,
	IMPORT_BACKUP, /* a task of the old file */
	IMPORT_KIND_N
};

const char *import_kind_name(enum import_kind kind); /* "user", ... */

#define LEGACY_ID_MAX 100

/*
 * Checked by the caller: valid UTF-8, JSON where it says so, within the
 * columns. Times are "YYYY-MM-DD hh:mm:ss.uuuuuu" in UTC or NULL. Borrowed.
 */
struct import_user {
	const char *email;
	const char *full_name;
	const char *avatar_url;
	const char *github_username;
	const char *preferences; /* JSON object */
	const char *created_at;
	const char *updated_at;
	const char *expires_at;
	bool is_test_user;
};

struct import_project {
	const char *repo_url;
	const char *repo_name;
	const char *repo_owner;
	const char *name;
	const char *description;
	const char *settings; /* JSON object */
	const char *created_at;
	const char *updated_at;
	bool is_active;
	bool is_test_data;
};

struct import_task {
	const char *project; /* its legacy id; NULL: none */
	const char *status;  /* an end */
	const char *agent;
	const char *repo_url;
	const char *target_branch;
	const char *pr_branch;
	const char *container_id;
	const char *commit_hash;
	bool has_pr_number;
	int64_t pr_number;
	const char *pr_url;
	const char *git_diff;
	const char *git_patch;
	const char *changed_files; /* JSON array */
	const char *error;
	const char *chat_messages;      /* JSON array */
	const char *execution_metadata; /* JSON object */
	const char *created_at;
	const char *updated_at;
	const char *started_at;
	const char *completed_at;
	const char *prompt;
	bool is_test_data;
};

enum import_end {
	IMPORT_DONE,
	IMPORT_BEFORE,     /* by an earlier run */
	IMPORT_JOINED,     /* one that is here already stands for it: new_id */
	IMPORT_NO_USER,    /* its user is neither imported nor here */
	IMPORT_NO_PROJECT, /* its project was not imported */
	IMPORT_PROJECT_GONE,    /* was, and has been deleted since */
	IMPORT_FOREIGN_PROJECT, /* its project is another user's */
	IMPORT_TOO_LARGE,       /* for one packet (max_allowed_packet) */
	IMPORT_UNCHECKED, /* new_id has its address, and only says so itself */
	IMPORT_END_N
};

struct import_item {
	enum import_kind kind;
	char legacy_id[LEGACY_ID_MAX + 1];
	int64_t wanted_id; /* of projects and tasks; 0: any */
	/* Owner: the old id; or, when given, an account that is here. */
	char legacy_user[37];
	char user_id[37];
	union {
		struct import_user user;
		struct import_project project;
		struct import_task task;
	};

	/* What became of it. */
	enum import_end end;
	char new_id[37];
};

/* What a dry run would have imported; NULL outside of dry runs. */
struct import_known;
int import_known_new(struct import_known **k, struct err *e) MUST_CHECK;
void import_known_free(struct import_known *k); /* takes NULL */

/*
 * Imports n items in one transaction and sets their ends; with dry it writes
 * nothing but into dry.
 */
int import_batch(struct db *db, struct import_item *const *items, size_t n,
    struct import_known *dry, struct err *e) MUST_CHECK;

#endif
