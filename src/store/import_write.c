#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/import_impl.h"

/* A token column of the old tables is never written. */
static int
write_user(struct db *db, struct import_item *it, struct err *e)
{
	const struct import_user *u = &it->user;
	const struct db_arg args[] = { db_arg_text(it->legacy_id),
		db_arg_text(u->email), db_arg_text(u->full_name),
		db_arg_text(u->avatar_url), db_arg_text(u->github_username),
		db_arg_text(u->preferences), db_arg_text(u->created_at),
		db_arg_text(u->updated_at), db_arg_int(u->is_test_user),
		db_arg_text(u->expires_at) };

	(void)snprintf(it->new_id, sizeof(it->new_id), "%.36s", it->legacy_id);
	return db_exec(db,
	    "INSERT INTO users (id, email, full_name, avatar_url,"
	    " github_username, preferences, created_at, updated_at,"
	    " is_test_user, expires_at, email_checked) VALUES (?, ?, ?, ?, ?,"
	    " COALESCE(?, '{}'), COALESCE(?, UTC_TIMESTAMP(6)),"
	    " COALESCE(?, UTC_TIMESTAMP(6)), ?, ?, 1)",
	    DB_ARGS(args), NULL, e);
}

static struct db_arg
id_or_null(int64_t id)
{
	return id == 0 ? db_arg_null() : db_arg_int(id);
}

static void
keep_id(struct import_item *it, int64_t id, const struct db_done *done)
{
	(void)snprintf(it->new_id, sizeof(it->new_id), "%" PRId64,
	    id != 0 ? id : (int64_t)done->insert_id);
}

static int
write_project(struct db *db, struct import_item *it, int64_t id, struct err *e)
{
	const struct import_project *p = &it->project;
	const struct db_arg args[] = { id_or_null(id), db_arg_text(it->user_id),
		db_arg_text(p->repo_url), db_arg_text(p->repo_name),
		db_arg_text(p->repo_owner), db_arg_text(p->name),
		db_arg_text(p->description), db_arg_int(p->is_active),
		db_arg_text(p->settings), db_arg_text(p->created_at),
		db_arg_text(p->updated_at), db_arg_int(p->is_test_data) };
	struct db_done done;

	if (db_exec(db,
		"INSERT INTO projects (id, user_id, repo_url, repo_name,"
		" repo_owner, name, description, is_active, settings,"
		" created_at, updated_at, is_test_data) VALUES (?, ?, ?, ?, ?,"
		" ?, ?, ?, COALESCE(?, '{}'), COALESCE(?, UTC_TIMESTAMP(6)),"
		" COALESCE(?, UTC_TIMESTAMP(6)), ?)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	keep_id(it, id, &done);
	return 0;
}

static int
write_narrow(struct db *db, struct import_item *it, int64_t id,
    int64_t project_id, struct err *e)
{
	const struct import_task *t = &it->task;
	const size_t patch = t->git_patch == NULL ? 0 : strlen(t->git_patch);
	const struct db_arg args[] = { id_or_null(id), db_arg_text(it->user_id),
		id_or_null(project_id), db_arg_text(t->status),
		db_arg_text(t->agent), db_arg_text(t->repo_url),
		db_arg_text(t->target_branch), db_arg_text(t->pr_branch),
		db_arg_text(t->container_id), db_arg_text(t->commit_hash),
		t->has_pr_number ? db_arg_int(t->pr_number) : db_arg_null(),
		db_arg_text(t->pr_url), db_arg_text(t->changed_files),
		db_arg_text(t->error), db_arg_text(t->chat_messages),
		db_arg_text(t->execution_metadata), db_arg_text(t->created_at),
		db_arg_text(t->updated_at), db_arg_text(t->started_at),
		db_arg_text(t->completed_at), db_arg_int(t->is_test_data),
		db_arg_text(t->prompt), db_arg_uint(patch) };
	struct db_done done;

	if (db_exec(db,
		"INSERT INTO tasks (id, user_id, project_id, status, agent,"
		" repo_url, target_branch, pr_branch, container_id,"
		" commit_hash, pr_number, pr_url, changed_files, error,"
		" chat_messages, execution_metadata, created_at, updated_at,"
		" started_at, completed_at, is_test_data, prompt, patch_bytes)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		" COALESCE(?, '[]'), ?, COALESCE(?, '[]'), COALESCE(?, '{}'),"
		" COALESCE(?, UTC_TIMESTAMP(6)), COALESCE(?, UTC_TIMESTAMP(6)),"
		" ?, ?, ?, ?, ?)",
		DB_ARGS(args), &done, e) == -1)
		return -1;
	keep_id(it, id, &done);
	return 0;
}

/* In statements of their own, so that each may fill a packet (C13). */
static int
write_bulk(struct db *db, const struct import_item *it, struct err *e)
{
	const struct db_arg diff[] = { db_arg_text(it->task.git_diff),
		db_arg_text(it->new_id) };
	const struct db_arg patch[] = { db_arg_text(it->task.git_patch),
		db_arg_text(it->new_id) };

	if (it->task.git_diff != NULL &&
	    db_exec(db,
		"UPDATE tasks SET git_diff = ?, updated_at = updated_at"
		" WHERE id = CAST(? AS SIGNED)",
		DB_ARGS(diff), NULL, e) == -1)
		return -1;
	if (it->task.git_patch == NULL)
		return 0;
	return db_exec(db,
	    "UPDATE tasks SET git_patch = ?, updated_at = updated_at"
	    " WHERE id = CAST(? AS SIGNED)",
	    DB_ARGS(patch), NULL, e);
}

int
import_write(struct db *db, struct import_item *it, int64_t id,
    int64_t project_id, struct err *e)
{
	switch (it->kind) {
	case IMPORT_USER:
		return write_user(db, it, e);
	case IMPORT_PROJECT:
		return write_project(db, it, id, e);
	case IMPORT_TASK:
	case IMPORT_BACKUP:
		if (write_narrow(db, it, id, project_id, e) == -1)
			return -1;
		return write_bulk(db, it, e);
	case IMPORT_KIND_N:
		break;
	}
	return err_set(e, ERR_BROKEN, "no such kind of import");
}
