#include "store/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/import_impl.h"

/* What a packet holds beside its values. */
#define PACKET_REST ((size_t)64 * 1024)

/* Ids that JavaScript can still tell apart; higher ones are given anew. */
#define ID_KEPT_MAX INT64_C(9007199254740991)

#define CONFLICT_TRIES 3

static const char *const names[IMPORT_KIND_N] = { "user", "project", "task",
	"backup" };

struct importing {
	struct import_item *const *items;
	size_t n;
	struct import_known *dry;
};

const char *
import_kind_name(enum import_kind kind)
{
	return names[kind];
}

/* First column of the first row as text; 1, 0 no row, -1. */
static int
one_text(struct db *db, const char *sql, const struct db_arg *args, size_t n,
    char out[37], struct err *e)
{
	struct db_rows *rows;
	int got;

	if (db_query(db, sql, args, n, &rows, e) == -1)
		return -1;
	got = db_next(rows, e);
	if (got == 1)
		(void)snprintf(out, 37, "%s", db_col_text(rows, 0));
	db_rows_end(rows);
	return got;
}

/* What a legacy id has become: 1 with it, 0 if it was never imported. */
static int
find_mapped(struct db *db, const struct import_known *dry,
    enum import_kind kind, const char *legacy_id, char out[37], struct err *e)
{
	const struct db_arg args[] = { db_arg_text(names[kind]),
		db_arg_text(legacy_id) };
	const char *known =
	    dry == NULL ? NULL : known_get(dry, kind, legacy_id);

	if (known != NULL) {
		(void)snprintf(out, 37, "%s", known);
		return 1;
	}
	return one_text(db,
	    "SELECT new_id FROM legacy_imports WHERE kind = ?"
	    " AND legacy_id = ?",
	    DB_ARGS(args), out, e);
}

static int
find_user(struct db *db, const char *id, char out[37], struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id) };

	return one_text(db, "SELECT CAST(id AS CHAR) FROM users WHERE id = ?",
	    DB_ARGS(args), out, e);
}

/*
 * The account that is here and has his address, if there is one only. One that
 * somebody has made for himself does not stand for him before an administrator
 * says so: no mail was ever sent there, and the tasks are not to go to whoever
 * typed in another's address. Nor does one that another old user is already:
 * addresses were not unique there.
 */
static int
find_namesake(struct db *db, struct import_item *it, struct err *e)
{
	const struct db_arg args[] = { db_arg_text(it->user.email) };
	struct db_rows *rows;
	int got;

	if (it->user.email == NULL)
		return 0;
	if (db_query(db,
		"SELECT CAST(MIN(u.id) AS CHAR), MIN(u.email_checked)"
		" FROM users u WHERE LOWER(u.email) = LOWER(?)"
		" AND NOT EXISTS (SELECT 1 FROM legacy_imports l"
		"  WHERE l.kind = 'user' AND l.new_id = CAST(u.id AS CHAR))"
		" HAVING COUNT(*) = 1",
		DB_ARGS(args), &rows, e) == -1)
		return -1;
	if ((got = db_next(rows, e)) == 1) {
		(void)snprintf(it->new_id, sizeof(it->new_id), "%s",
		    db_col_text(rows, 0));
		it->end =
		    db_col_int(rows, 1) != 0 ? IMPORT_JOINED : IMPORT_UNCHECKED;
	}
	db_rows_end(rows);
	return got;
}

static int
find_twin_project(struct db *db, const struct import_item *it, char out[37],
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(it->user_id),
		db_arg_text(it->project.repo_url) };

	return one_text(db,
	    "SELECT CAST(id AS CHAR) FROM projects WHERE user_id = ?"
	    " AND repo_url = ?",
	    DB_ARGS(args), out, e);
}

/* Whose it is to be: fills it->user_id. 1, 0 nobody's, -1. */
static int
find_owner(struct db *db, const struct importing *im, struct import_item *it,
    struct err *e)
{
	char mapped[37];
	int got;

	if (it->user_id[0] != '\0')
		return 1;
	got = find_mapped(db, im->dry, IMPORT_USER, it->legacy_user, mapped, e);
	if (got == -1)
		return -1;
	if (got == 0)
		return find_user(db, it->legacy_user, it->user_id, e);
	if (im->dry != NULL &&
	    known_get(im->dry, IMPORT_USER, it->legacy_user) != NULL) {
		(void)memcpy(it->user_id, mapped, sizeof(mapped));
		return 1;
	}
	return find_user(db, mapped, it->user_id, e);
}

/* 1 and *id if the project may be the task's, else 0 and the reason. */
static int
check_project(struct db *db, struct import_item *it, const char *id,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(id) };
	char owner[37];
	int got = one_text(db,
	    "SELECT CAST(user_id AS CHAR) FROM projects"
	    " WHERE id = CAST(? AS SIGNED)",
	    DB_ARGS(args), owner, e);

	if (got == 1 && strcmp(owner, it->user_id) == 0)
		return 1;
	it->end = got == 1 ? IMPORT_FOREIGN_PROJECT : IMPORT_PROJECT_GONE;
	return got == -1 ? -1 : 0;
}

static int
find_project(struct db *db, const struct importing *im, struct import_item *it,
    int64_t *id, struct err *e)
{
	const char *legacy = it->task.project, *owner;
	char mapped[37];
	int got;

	*id = 0;
	if (legacy == NULL)
		return 1;
	/* What a dry run would have made has its owner for an id. */
	owner =
	    im->dry == NULL ? NULL : known_get(im->dry, IMPORT_PROJECT, legacy);
	if (owner != NULL) {
		it->end = IMPORT_FOREIGN_PROJECT;
		return strcmp(owner, it->user_id) == 0;
	}
	got = find_mapped(db, NULL, IMPORT_PROJECT, legacy, mapped, e);
	if (got != 1) {
		it->end = IMPORT_NO_PROJECT;
		return got;
	}
	*id = strtoll(mapped, NULL, 10);
	return check_project(db, it, mapped, e);
}

/* The id it had, if that is free here; 0: a new one. */
static int
choose_id(struct db *db, const struct import_item *it, int64_t *id,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_int(it->wanted_id) };
	char there[37];
	int got;

	*id = 0;
	if (it->kind == IMPORT_USER || it->wanted_id <= 0 ||
	    it->wanted_id > ID_KEPT_MAX)
		return 0;
	got = one_text(db,
	    it->kind == IMPORT_PROJECT
		? "SELECT CAST(id AS CHAR) FROM projects WHERE id = ?"
		: "SELECT CAST(id AS CHAR) FROM tasks WHERE id = ?",
	    DB_ARGS(args), there, e);
	if (got == 0)
		*id = it->wanted_id;
	return got == -1 ? -1 : 0;
}

static size_t
length(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

static bool
fits(const struct db *db, const struct import_item *it)
{
	const struct import_task *t = &it->task;
	const uint64_t packet = db_max_packet(db);
	const size_t room =
	    packet > 2 * PACKET_REST ? (size_t)packet - PACKET_REST : 0;

	if (it->kind != IMPORT_TASK && it->kind != IMPORT_BACKUP)
		return true;
	return length(t->git_diff) < room && length(t->git_patch) < room &&
	    length(t->chat_messages) + length(t->execution_metadata) +
		length(t->changed_files) + length(t->error) +
		length(t->prompt) <
	    room;
}

static int
record(struct db *db, const struct importing *im, const struct import_item *it,
    struct err *e)
{
	const struct db_arg args[] = { db_arg_text(names[it->kind]),
		db_arg_text(it->legacy_id), db_arg_text(it->new_id) };

	if (im->dry != NULL)
		return known_put(im->dry, it->kind, it->legacy_id,
		    it->kind == IMPORT_PROJECT ? it->user_id : it->new_id, e);
	return db_exec(db,
	    "INSERT INTO legacy_imports (kind, legacy_id, new_id, imported_at)"
	    " VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
	    DB_ARGS(args), NULL, e);
}

/* Is there one here that stands for it, or may? 1 with it->new_id and
 * it->end, 0, -1. */
static int
find_same(struct db *db, struct import_item *it, struct err *e)
{
	int got;

	it->end = IMPORT_JOINED;
	switch (it->kind) {
	case IMPORT_USER:
		got = find_user(db, it->legacy_id, it->new_id, e);
		return got != 0 ? got : find_namesake(db, it, e);
	case IMPORT_PROJECT:
		return find_twin_project(db, it, it->new_id, e);
	case IMPORT_TASK:
	case IMPORT_BACKUP:
	case IMPORT_KIND_N:
		break;
	}
	return 0;
}

/* Owner and project; 1 go on, 0 it->end says why not, -1. */
static int
find_parents(struct db *db, const struct importing *im, struct import_item *it,
    int64_t *project_id, struct err *e)
{
	int got = 1;

	*project_id = 0;
	if (it->kind != IMPORT_USER) {
		it->end = IMPORT_NO_USER;
		got = find_owner(db, im, it, e);
	}
	if (got == 1 && it->kind == IMPORT_TASK)
		got = find_project(db, im, it, project_id, e);
	return got;
}

static int
write_new(struct db *db, const struct importing *im, struct import_item *it,
    int64_t project_id, struct err *e)
{
	int64_t id;

	it->end = IMPORT_DONE;
	if (!fits(db, it)) {
		it->end = IMPORT_TOO_LARGE;
		return 0;
	}
	if (im->dry != NULL)
		(void)snprintf(it->new_id, sizeof(it->new_id), "%.36s",
		    it->kind == IMPORT_USER ? it->legacy_id : "-");
	else if (choose_id(db, it, &id, e) == -1 ||
	    import_write(db, it, id, project_id, e) == -1)
		return -1;
	return record(db, im, it, e);
}

static int
import_one(struct db *db, const struct importing *im, struct import_item *it,
    struct err *e)
{
	int64_t project_id;
	int got;

	got = find_mapped(db, im->dry, it->kind, it->legacy_id, it->new_id, e);
	if (got == 1)
		it->end = IMPORT_BEFORE;
	if (got != 0)
		return got == 1 ? 0 : -1;
	if ((got = find_parents(db, im, it, &project_id, e)) != 1)
		return got;
	if ((got = find_same(db, it, e)) == -1)
		return -1;
	if (got == 0)
		return write_new(db, im, it, project_id, e);
	return it->end == IMPORT_JOINED ? record(db, im, it, e) : 0;
}

static int
batch_body(struct db *db, void *ctx, struct err *e)
{
	const struct importing *im = ctx;

	for (size_t i = 0; i < im->n; i++)
		if (import_one(db, im, im->items[i], e) == -1)
			return -1;
	return 0;
}

/* The record of any item that was written proves it for all. */
static int
batch_committed(struct db *db, void *ctx, struct err *e)
{
	const struct importing *im = ctx;
	char new_id[37];

	for (size_t i = 0; i < im->n; i++) {
		const struct import_item *it = im->items[i];
		const struct db_arg args[] = { db_arg_text(names[it->kind]),
			db_arg_text(it->legacy_id) };

		if (it->end == IMPORT_DONE || it->end == IMPORT_JOINED)
			return one_text(db,
			    "SELECT new_id FROM legacy_imports WHERE kind = ?"
			    " AND legacy_id = ? LOCK IN SHARE MODE",
			    DB_ARGS(args), new_id, e);
	}
	return 1; /* nothing was to be written */
}

int
import_batch(struct db *db, struct import_item *const *items, size_t n,
    struct import_known *dry, struct err *e)
{
	struct importing im = { items, n, dry };
	const struct db_tx tx = { .body = batch_body,
		.committed = batch_committed,
		.ctx = &im };

	if (dry != NULL)
		return batch_body(db, &im, e);
	/* An id that was free may have been taken by a task of today. */
	for (int i = 1;; i++) {
		if (db_run(db, &tx, e) == 0)
			return 0;
		if (e->kind != ERR_CONFLICT || i == CONFLICT_TRIES)
			return -1;
	}
}
