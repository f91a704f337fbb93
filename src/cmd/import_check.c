#include "cmd/import_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/state.h"
#include "util/encode.h"
#include "util/json.h"
#include "util/time_read.h"
#include "util/utf8.h"

#define TEXT_BYTES ((size_t)65535)
#define MEDIUM_BYTES ((size_t)16777215)
#define ANY_BYTES SIZE_MAX

#define NOT_ENDED                                                       \
	"This task had not ended when it was imported from the system " \
	"before. Please start it again."

/* A column and where its value goes. */
enum column_type {
	AS_TEXT,
	AS_OBJECT,  /* JSON */
	AS_STRINGS, /* a JSON array of strings */
	AS_TIME
};

struct column {
	const char *name;
	size_t offset; /* of a const char * in the row */
	enum column_type type;
	size_t max_chars; /* AS_TEXT: of a VARCHAR; 0: see max_bytes */
	size_t max_bytes;
};

#define COLUMN(row, member, type, chars, bytes)                              \
	{                                                                    \
#member, offsetof(struct import_##row, member), type, chars, \
		    bytes                                                    \
	}

static const struct column user_columns[] = {
	COLUMN(user, email, AS_TEXT, 320, ANY_BYTES),
	COLUMN(user, full_name, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(user, avatar_url, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(user, github_username, AS_TEXT, 255, ANY_BYTES),
	COLUMN(user, preferences, AS_OBJECT, 0, ANY_BYTES),
	COLUMN(user, created_at, AS_TIME, 0, 0),
	COLUMN(user, updated_at, AS_TIME, 0, 0),
	COLUMN(user, expires_at, AS_TIME, 0, 0),
};

static const struct column project_columns[] = {
	COLUMN(project, repo_url, AS_TEXT, 700, ANY_BYTES),
	COLUMN(project, repo_name, AS_TEXT, 255, ANY_BYTES),
	COLUMN(project, repo_owner, AS_TEXT, 255, ANY_BYTES),
	COLUMN(project, name, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(project, description, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(project, settings, AS_OBJECT, 0, ANY_BYTES),
	COLUMN(project, created_at, AS_TIME, 0, 0),
	COLUMN(project, updated_at, AS_TIME, 0, 0),
};

static const struct column task_columns[] = {
	COLUMN(task, status, AS_TEXT, 20, ANY_BYTES),
	COLUMN(task, agent, AS_TEXT, 64, ANY_BYTES),
	COLUMN(task, repo_url, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(task, target_branch, AS_TEXT, 255, ANY_BYTES),
	COLUMN(task, pr_branch, AS_TEXT, 255, ANY_BYTES),
	COLUMN(task, container_id, AS_TEXT, 255, ANY_BYTES),
	COLUMN(task, commit_hash, AS_TEXT, 64, ANY_BYTES),
	COLUMN(task, pr_url, AS_TEXT, 0, TEXT_BYTES),
	COLUMN(task, git_diff, AS_TEXT, 0, ANY_BYTES),
	COLUMN(task, git_patch, AS_TEXT, 0, ANY_BYTES),
	COLUMN(task, changed_files, AS_STRINGS, 0, ANY_BYTES),
	COLUMN(task, error, AS_TEXT, 0, MEDIUM_BYTES),
	COLUMN(task, execution_metadata, AS_OBJECT, 0, ANY_BYTES),
	COLUMN(task, created_at, AS_TIME, 0, 0),
	COLUMN(task, updated_at, AS_TIME, 0, 0),
	COLUMN(task, started_at, AS_TIME, 0, 0),
	COLUMN(task, completed_at, AS_TIME, 0, 0),
};

static int
check_text(const struct column *col, const char *text, struct err *e)
{
	const size_t len = strlen(text);

	if (col->max_chars != 0 && utf8_length(text, len) > col->max_chars)
		return err_set(e, ERR_INVALID,
		    "%s is longer than %zu characters", col->name,
		    col->max_chars);
	if (len > col->max_bytes)
		return err_set(e, ERR_INVALID, "%s is longer than %zu bytes",
		    col->name, col->max_bytes);
	return 0;
}

static int
check_json(const struct column *col, const char *text, struct err *e)
{
	const char bracket = col->type == AS_OBJECT ? '{' : '[';
	struct json_object *o = NULL;
	int rc = -1;

	if (json_read(&o, text, strlen(text), e) == -1)
		return err_wrap(e, "%s", col->name);
	if (text[strspn(text, " \t\r\n")] != bracket) {
		err_set(e, ERR_INVALID, "%s is no JSON %s", col->name,
		    col->type == AS_OBJECT ? "object" : "array");
		goto out;
	}
	for (size_t i = 0; col->type == AS_STRINGS && i < json_array_size(o);
	     i++) {
		if (json_array_string(o, i) == NULL) {
			err_set(e, ERR_INVALID,
			    "%s holds something that is no string", col->name);
			goto out;
		}
	}
	rc = 0;
out:
	json_free(o);
	return rc;
}

/* "2025-06-14 10:11:12.123456", as the database takes it. */
static int
write_time(char out[CLOCK_TEXT], const struct column *col, const char *text,
    struct err *e)
{
	char *offset;
	int64_t us;

	if (!time_read(&us, text, strlen(text)))
		return err_set(e, ERR_INVALID, "%s is no time: %.60s",
		    col->name, text);
	clock_text(out, us);
	if ((offset = strchr(out, '+')) == NULL)
		return err_set(e, ERR_BROKEN, "a time without an offset");
	out[10] = ' ';
	*offset = '\0';
	return 0;
}

static int
read_columns(struct import_checked *c, void *row, const struct column *columns,
    size_t n, struct err *e)
{
	size_t times = 0;

	for (size_t i = 0; i < n; i++) {
		const struct column *col = &columns[i];
		const char *text = record_get(&c->record, col->name);
		int rc = 0;

		if (text != NULL && col->type == AS_TIME) {
			rc = write_time(c->times[times], col, text, e);
			text = c->times[times++];
		} else if (text != NULL && col->type == AS_TEXT)
			rc = check_text(col, text, e);
		else if (text != NULL)
			rc = check_json(col, text, e);
		if (rc == -1)
			return -1;
		memcpy((char *)row + col->offset, &text, sizeof(text));
	}
	return 0;
}

#define READ_COLUMNS(c, row, columns, e)    \
	read_columns((c), (row), (columns), \
	    sizeof(columns) / sizeof((columns)[0]), (e))

/* As PostgreSQL writes them, and as JSON does. NULL leaves *b as it is. */
static int
read_bool(const struct record *r, const char *name, bool *b, struct err *e)
{
	static const char *const words[] = { "f", "false", "0", "t", "true",
		"1" };
	const char *text = record_get(r, name);

	if (text == NULL)
		return 0;
	for (size_t i = 0; i < 6; i++)
		if (strcasecmp(text, words[i]) == 0) {
			*b = i >= 3;
			return 0;
		}
	return err_set(e, ERR_INVALID, "%s is neither true nor false", name);
}

/* 1 to 2^63-1 in digits; 0: something else. */
static int64_t
read_id(const char *text)
{
	int64_t n = 0;

	if (text == NULL || *text == '\0')
		return 0;
	for (; *text != '\0'; text++) {
		int digit = *text - '0';

		if (digit < 0 || digit > 9 || n > (INT64_MAX - digit) / 10)
			return 0;
		n = n * 10 + digit;
	}
	return n;
}

static int
take_number_id(struct import_checked *c, struct err *e)
{
	const char *text = record_get(&c->record, "id");
	struct import_item *it = &c->item;

	if ((it->wanted_id = read_id(text)) == 0)
		return err_set(e, ERR_INVALID, "id is no number");
	(void)snprintf(it->legacy_id, sizeof(it->legacy_id), "%lld",
	    (long long)it->wanted_id);
	return 0;
}

static int
take_owner(struct import_checked *c, const struct import_hints *h,
    struct err *e)
{
	const char *text = record_get(&c->record, "user_id");
	struct import_item *it = &c->item;

	if (text != NULL && uuid_read(it->legacy_user, text))
		return 0;
	if (text != NULL)
		return err_set(e, ERR_INVALID, "user_id is no UUID");
	if (h->user_id == NULL)
		return err_set(e, ERR_INVALID,
		    "it names no user: say whose it is with --user");
	(void)snprintf(it->user_id, sizeof(it->user_id), "%s", h->user_id);
	return 0;
}

static int
check_user(struct import_checked *c, struct err *e)
{
	const char *id = record_get(&c->record, "id");
	struct import_user *u = &c->item.user;

	if (id == NULL || !uuid_read(c->item.legacy_id, id))
		return err_set(e, ERR_INVALID, "id is no UUID");
	if (READ_COLUMNS(c, u, user_columns, e) == -1)
		return -1;
	return read_bool(&c->record, "is_test_user", &u->is_test_user, e);
}

static int
check_project(struct import_checked *c, const struct import_hints *h,
    struct err *e)
{
	struct import_project *p = &c->item.project;

	p->is_active = true;
	if (take_number_id(c, e) == -1 || take_owner(c, h, e) == -1 ||
	    READ_COLUMNS(c, p, project_columns, e) == -1)
		return -1;
	if (p->repo_url == NULL || *p->repo_url == '\0' || p->name == NULL ||
	    p->repo_owner == NULL || p->repo_name == NULL)
		return err_set(e, ERR_INVALID,
		    "name, repo_url, repo_owner or repo_name is missing");
	if (read_bool(&c->record, "is_active", &p->is_active, e) == -1)
		return -1;
	return read_bool(&c->record, "is_test_data", &p->is_test_data, e);
}

/* Ids of old files begin at 1 each time: what it says tells entries apart. */
static void
take_backup_id(struct import_checked *c)
{
	static const char *const told_by[] = { "id", "prompt", "repo_url",
		"created_at" };
	struct import_item *it = &c->item;
	struct buf all = BUF(CSV_ROW_BYTES_MAX);
	uint8_t hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	for (size_t i = 0; i < sizeof(told_by) / sizeof(told_by[0]); i++) {
		const char *text = record_get(&c->record, told_by[i]);

		buf_puts(&all, text == NULL ? "" : text);
		buf_putc(&all, '\0');
	}
	sha256(hash, all.data, all.len);
	encode_hex(hex, hash, sizeof(hash));
	it->wanted_id = read_id(record_get(&c->record, "id"));
	(void)snprintf(it->legacy_id, sizeof(it->legacy_id), "%lld-%.40s",
	    (long long)it->wanted_id, hex);
	buf_clear(&all);
}

/* What runs in the old system runs nowhere now. */
static int
take_status(struct import_task *t, struct err *e)
{
	const enum task_state state =
	    t->status == NULL ? TASK_PENDING : task_state_of(t->status);

	if (state == TASK_STATE_N)
		return err_set(e, ERR_INVALID, "there is no status %.40s",
		    t->status);
	if (task_state_final(state))
		return 0;
	t->status = task_state_name(TASK_FAILED);
	if (t->error == NULL)
		t->error = NOT_ENDED;
	if (t->completed_at == NULL)
		t->completed_at =
		    t->updated_at != NULL ? t->updated_at : t->created_at;
	return 0;
}

static int
take_pr_number(struct import_task *t, const struct record *r, struct err *e)
{
	const char *text = record_get(r, "pr_number");

	if (text == NULL)
		return 0;
	t->has_pr_number = true;
	t->pr_number = read_id(text);
	if (t->pr_number == 0 || t->pr_number > INT32_MAX)
		return err_set(e, ERR_INVALID, "pr_number is no number");
	return 0;
}

/* The old file calls two columns otherwise. */
static int
take_other_names(struct import_task *t, const struct record *r, struct err *e)
{
	static const struct column model = { "model", 0, AS_TEXT, 64,
		ANY_BYTES };
	static const struct column branch = { "branch", 0, AS_TEXT, 255,
		ANY_BYTES };

	if (t->agent == NULL)
		t->agent = record_get(r, model.name);
	if (t->target_branch == NULL)
		t->target_branch = record_get(r, branch.name);
	if (t->agent == NULL)
		t->agent = "claude";
	if (t->target_branch == NULL)
		t->target_branch = "main";
	if (check_text(&model, t->agent, e) == -1)
		return -1;
	return check_text(&branch, t->target_branch, e);
}

static int
take_project(struct import_task *t, const struct record *r, struct err *e)
{
	t->project = record_get(r, "project_id");
	if (t->project != NULL && read_id(t->project) == 0)
		return err_set(e, ERR_INVALID, "project_id is no number");
	return 0;
}

static int
check_task(struct import_checked *c, const struct import_hints *h,
    struct err *e)
{
	struct import_task *t = &c->item.task;
	const struct record *r = &c->record;

	if (h->kind == IMPORT_BACKUP)
		take_backup_id(c);
	else if (take_number_id(c, e) == -1 || take_project(t, r, e) == -1)
		return -1;
	if (take_owner(c, h, e) == -1 ||
	    READ_COLUMNS(c, t, task_columns, e) == -1 ||
	    take_other_names(t, r, e) == -1 || take_status(t, e) == -1 ||
	    take_pr_number(t, r, e) == -1 ||
	    read_bool(r, "is_test_data", &t->is_test_data, e) == -1 ||
	    import_chat(c, e) == -1)
		return -1;
	t->chat_messages = c->chat.data;
	t->prompt = c->prompt.data == NULL ? "" : c->prompt.data;
	return 0;
}

int
import_check(struct import_checked *c, const struct import_hints *h,
    struct err *e)
{
	memset(&c->item, 0, sizeof(c->item));
	c->item.kind = h->kind;
	switch (h->kind) {
	case IMPORT_USER:
		return check_user(c, e);
	case IMPORT_PROJECT:
		return check_project(c, h, e);
	case IMPORT_TASK:
	case IMPORT_BACKUP:
		return check_task(c, h, e);
	case IMPORT_KIND_N:
		break;
	}
	return err_set(e, ERR_BROKEN, "no such kind of import");
}

void
import_checked_clear(struct import_checked *c)
{
	record_clear(&c->record);
	buf_clear(&c->chat);
	buf_clear(&c->prompt);
}
