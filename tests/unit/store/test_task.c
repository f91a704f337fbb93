#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* The row that a callback saw last; its texts in one line. */
static struct task_row seen;
static char seen_text[4096];
static int64_t listed[64];
static size_t listed_n;

static int
note_status(void *ctx, const struct task_row *r, struct err *e)
{
	(void)ctx;
	(void)e;
	seen = *r;
	(void)snprintf(seen_text, sizeof(seen_text),
	    "%s|%s|%s|%s|%s|%s|%.*s|%.*s", r->status, r->agent, r->repo_url,
	    r->target_branch, r->commit_hash == NULL ? "null" : r->commit_hash,
	    r->error == NULL ? "null" : r->error, (int)r->changed_files_len,
	    r->changed_files, (int)r->prompt_len, r->prompt);
	return 0;
}

static int
note_full(void *ctx, const struct task_row *r, struct err *e)
{
	(void)ctx;
	(void)e;
	seen = *r;
	(void)snprintf(seen_text, sizeof(seen_text),
	    "%s|%s|%.*s|%.*s|%.*s|%s|%s", r->user_id, r->container_id,
	    (int)r->git_diff_len, r->git_diff, (int)r->execution_metadata_len,
	    r->execution_metadata, (int)r->chat_messages_len, r->chat_messages,
	    r->started_at, r->completed_at);
	assert_int_equal(r->git_patch_len, small_result.git_patch_len);
	assert_memory_equal(r->git_patch, small_result.git_patch,
	    r->git_patch_len);
	return 0;
}

static int
note_listed(void *ctx, const struct task_row *r, struct err *e)
{
	(void)ctx;
	(void)e;
	assert_true(listed_n < sizeof(listed) / sizeof(listed[0]));
	listed[listed_n++] = r->id;
	seen = *r;
	return 0;
}

static int
note_diff(void *ctx, const struct task_row *r, struct err *e)
{
	(void)ctx;
	(void)e;
	seen = *r;
	(void)snprintf(seen_text, sizeof(seen_text), "%s|%.*s", r->status,
	    (int)r->git_diff_len, r->git_diff == NULL ? "" : r->git_diff);
	return 0;
}

static void
a_started_task_reads_as_the_contract_says(void **state)
{
	struct err e = { 0 };
	char user[37];
	int64_t id;

	(void)state;
	make_user(user);
	id = start_task(user);
	ok(task_status_get(db, user, id, note_status, NULL, &e));
	assert_true(seen.id == id);
	assert_false(seen.has_project);
	assert_string_equal(seen_text,
	    "pending|claude|https://github.com/a/b|main|null|null|[]|"
	    "Write a file");
	assert_true(number("SELECT JSON_VALUE(chat_messages, '$[0].role') ="
			   " 'user' AND JSON_VALUE(chat_messages,"
			   " '$[0].content') = 'Write a file' AND"
			   " JSON_VALUE(chat_messages, '$[0].timestamp') REGEXP"
			   " '^20.*[+]00:00$' FROM tasks"
			   " ORDER BY id DESC LIMIT 1") == 1);
	assert_true(
	    number("SELECT kind = 'queued' AND seq = 1 AND attempt = 0"
		   " FROM task_events ORDER BY task_id DESC LIMIT 1") == 1);
}

static void
a_finished_task_shows_every_column(void **state)
{
	enum task_state final;
	struct err e = { 0 };
	struct hold h;
	char user[37];
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	id = start_task(user);
	h = claim_one(OWNER);
	ok(queue_complete(db, &h, NULL, 0, 0, &small_result, &final, &e));
	ok(task_get(db, user, id, note_full, NULL, &e));
	assert_non_null(strstr(seen_text, user));
	assert_non_null(strstr(seen_text,
	    "|sandbox-1|--- a\n+++ b\n|{\"steps\":[]}|[{\"role\": \"user\""));
	assert_non_null(strstr(seen_text, "\"I have \\\"done\\\" it\\n\""));
	assert_true(seen.has_patch);
	assert_false(seen.has_pr_number);
	assert_null(seen.failure_code);
	ok(task_diff_get(db, user, id, note_diff, NULL, &e));
	assert_string_equal(seen_text, "completed|--- a\n+++ b\n");
	ok(task_status_get(db, user, id, note_status, NULL, &e));
	assert_non_null(strstr(seen_text,
	    "|0123456789abcdef0123456789abcdef01234567|null|[\"a.txt\"]|"));
}

/* Every reader and the cancel, with a stranger and with a number too high. */
static void
foreign_and_missing_tasks_look_alike(void **state)
{
	enum task_state now;
	struct err e = { 0 };
	char owner[37], stranger[37];
	int64_t ids[2];

	(void)state;
	make_user(owner);
	make_user(stranger);
	ids[0] = start_task(owner);
	ids[1] = ids[0] + 1000000;
	for (int i = 0; i < 2; i++) {
		int got[5];

		got[0] = task_status_get(db, stranger, ids[i], note_status,
		    NULL, &e);
		assert_string_equal(e.text, "Task not found");
		got[1] = task_get(db, stranger, ids[i], note_full, NULL, &e);
		assert_string_equal(e.text, "Task not found");
		got[2] =
		    task_diff_get(db, stranger, ids[i], note_diff, NULL, &e);
		assert_string_equal(e.text, "Task not found");
		got[3] = task_cancel(db, stranger, ids[i], &now, &e);
		assert_string_equal(e.text, "Task not found");
		got[4] =
		    task_events(db, stranger, ids[i], 0, 10, NULL, NULL, &e);
		assert_string_equal(e.text, "Task not found");
		assert_int_equal(e.kind, ERR_ABSENT);
		for (int k = 0; k < 5; k++)
			assert_int_equal(got[k], -1);
	}
	ok(task_diff_get(db, owner, ids[0], note_diff, NULL, &e));
	assert_null(seen.git_diff);
}

static void
a_disabled_user_is_told_apart_from_a_missing_task(void **state)
{
	struct err e = { 0 };
	char user[37];
	int64_t id;

	(void)state;
	make_user(user);
	id = start_task(user);
	ok(user_set_disabled(db, user, true, &e));
	assert_int_equal(task_status_get(db, user, id, note_status, NULL, &e),
	    -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	assert_int_equal(task_status_get(db,
			     "00000000-0000-4000-8000-000000000000", id,
			     note_status, NULL, &e),
	    -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
	assert_string_equal(e.text, "User not found");
}

static enum task_start_end
start_with(const char *user, int64_t project, const char *key, uint8_t hash,
    unsigned int most, int64_t *id)
{
	uint8_t req_hash[32] = { hash };
	const struct task_new t = { .user_id = user,
		.project_id = project,
		.prompt = "p",
		.repo_url = "r",
		.branch = "b",
		.agent = "codex",
		.idem_key = key,
		.req_hash = req_hash,
		.most_live = most };
	enum task_start_end end;
	struct err e = { 0 };

	ok(task_start(db, &t, &end, id, &e));
	return end;
}

static void
a_key_starts_one_task(void **state)
{
	char user[37], other[37];
	int64_t first, id;

	(void)state;
	clean();
	make_user(user);
	make_user(other);
	assert_int_equal(start_with(user, 0, "key-1", 1, 1, &first),
	    TASK_STARTED);
	assert_int_equal(start_with(user, 0, "key-1", 1, 1, &id),
	    TASK_REPLAYED);
	assert_true(id == first);
	assert_int_equal(start_with(user, 0, "key-1", 2, 1, &id),
	    TASK_KEY_REUSED);
	assert_true(id == first);
	assert_int_equal(start_with(user, 0, "KEY-1", 1, 9, &id), TASK_STARTED);
	assert_int_equal(start_with(other, 0, "key-1", 1, 9, &id),
	    TASK_STARTED);
	assert_true(number("SELECT COUNT(*) FROM tasks") == 3);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
}

static void
projects_and_limits_are_looked_at_before_a_start(void **state)
{
	char user[37], other[37], text[200];
	struct err e = { 0 };
	enum task_start_end end;
	struct task_new t = { .prompt = "p", .most_live = 1 };
	int64_t id, project;

	(void)state;
	clean();
	make_user(user);
	make_user(other);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO projects (user_id, repo_url, repo_name, repo_owner,"
	    " name) VALUES ('%s', 'u', 'n', 'o', 'n')",
	    user);
	sql(text);
	project = number("SELECT id FROM projects");
	assert_int_equal(start_with(other, project, NULL, 0, 9, &id),
	    TASK_NO_PROJECT);
	assert_int_equal(start_with(user, project + 1, NULL, 0, 9, &id),
	    TASK_NO_PROJECT);
	assert_int_equal(start_with(user, project, NULL, 0, 2, &id),
	    TASK_STARTED);
	assert_int_equal(start_with(user, 0, NULL, 0, 2, &id), TASK_STARTED);
	assert_int_equal(start_with(user, 0, NULL, 0, 2, &id), TASK_LIVE_FULL);
	(void)claim_one(OWNER);
	assert_int_equal(start_with(user, 0, NULL, 0, 2, &id), TASK_LIVE_FULL);
	assert_true(number("SELECT COUNT(*) FROM tasks") == 2);
	t.user_id = "00000000-0000-4000-8000-000000000000";
	assert_int_equal(task_start(db, &t, &end, &id, &e), -1);
	assert_int_equal(e.kind, ERR_UNKNOWN);
}

/* What a list must be: these ids, in this order. */
static void
expect_list(const char *user, int64_t project, int64_t before,
    unsigned int limit, enum task_state status, const int64_t *want, size_t n)
{
	const struct task_filter f = { project, before, limit, status };
	struct err e = { 0 };

	listed_n = 0;
	ok(task_list(db, user, &f, note_listed, NULL, &e));
	assert_int_equal(listed_n, n);
	for (size_t i = 0; i < n; i++)
		assert_true(listed[i] == want[i]);
}

static void
lists_are_newest_first_and_can_be_paged(void **state)
{
	char user[37], other[37], text[300];
	int64_t id[6], project;

	(void)state;
	clean();
	make_user(user);
	make_user(other);
	(void)start_task(other);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO projects (user_id, repo_url, repo_name, repo_owner,"
	    " name) VALUES ('%s', 'u', 'n', 'o', 'n')",
	    user);
	sql(text);
	project = number("SELECT id FROM projects");
	for (int i = 0; i < 6; i++)
		assert_int_equal(
		    start_with(user, i % 2 ? project : 0, NULL, 0, 9, &id[i]),
		    TASK_STARTED);
	/* Three of one moment: then the id decides. */
	(void)snprintf(text, sizeof(text),
	    "UPDATE tasks SET created_at = '2026-01-01 00:00:00'"
	    " WHERE id IN (%lld, %lld, %lld)",
	    (long long)id[1], (long long)id[3], (long long)id[4]);
	sql(text);

	const int64_t all[] = { id[5], id[2], id[0], id[4], id[3], id[1] };
	const int64_t in_project[] = { id[5], id[3], id[1] };

	expect_list(user, 0, 0, 0, TASK_STATE_N, all, 6);
	expect_list(user, 0, 0, 2, TASK_STATE_N, all, 2);
	for (size_t i = 0; i < 6; i++)
		expect_list(user, 0, all[i], 0, TASK_STATE_N, all + i + 1,
		    5 - i);
	expect_list(user, project, 0, 0, TASK_STATE_N, in_project, 3);
	expect_list(user, project, id[3], 1, TASK_STATE_N, in_project + 2, 1);
	expect_list(user, project + 1, 0, 0, TASK_STATE_N, NULL, 0);
	expect_list(other, project, 0, 0, TASK_STATE_N, NULL, 0);
	expect_list(other, 0, id[0], 0, TASK_STATE_N, NULL, 0);
	expect_list(user, 0, 0, 0, TASK_PENDING, all, 6);
	expect_list(user, 0, 0, 0, TASK_RUNNING, NULL, 0);
}

struct event_log {
	int64_t first, last;
	int n;
	char kinds[200];
};

static int
note_event(void *ctx, const struct event_row *r, struct err *e)
{
	struct event_log *l = ctx;

	(void)e;
	if (l->n++ == 0)
		l->first = r->seq;
	l->last = r->seq;
	(void)strncat(l->kinds, r->kind, 20);
	(void)strncat(l->kinds, " ", 2);
	assert_non_null(strstr(r->created_at, "+00:00"));
	assert_int_equal(r->data[0], '{');
	return 0;
}

static void
events_are_read_in_pages(void **state)
{
	struct event_log all = { 0 }, page = { 0 }, rest = { 0 };
	enum task_state now;
	struct err e = { 0 };
	char user[37];
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	id = start_task(user);
	(void)claim_one(OWNER);
	ok(task_cancel(db, user, id, &now, &e));
	assert_int_equal(now, TASK_RUNNING);
	ok(task_cancel(db, user, id, &now, &e));
	ok(task_events(db, user, id, 0, 100, note_event, &all, &e));
	assert_string_equal(all.kinds, "queued claimed cancel ");
	ok(task_events(db, user, id, 0, 2, note_event, &page, &e));
	assert_int_equal(page.n, 2);
	assert_true(page.last == 2);
	ok(task_events(db, user, id, 2, 2, note_event, &rest, &e));
	assert_true(rest.n == 1 && rest.first == 3);
	ok(task_events(db, user, id, 3, 2, note_event, &rest, &e));
	assert_int_equal(rest.n, 1);
}

static void
a_place_in_line_is_the_number_before_it(void **state)
{
	char user[37], other[37];
	int64_t id[4];
	struct task_place place;
	struct err e = { 0 };

	(void)state;
	clean();
	make_user(user);
	make_user(other);
	for (int i = 0; i < 3; i++)
		id[i] = start_task(user);
	id[3] = start_task(other);
	for (int i = 0; i < 3; i++) {
		static const int64_t want[] = { 0, 2, 3 };

		ok(task_queue_place(db, id[i], &place, &e));
		assert_true(place.ahead == want[i]);
	}
	/* The other user's first stands with this one's first. */
	ok(task_queue_place(db, id[3], &place, &e));
	assert_true(place.ahead == 1);
	(void)claim_one(OWNER);
	ok(task_queue_place(db, id[0], &place, &e));
	assert_true(place.ahead == -1);
	ok(task_queue_place(db, id[3] + 100, &place, &e));
	assert_true(place.ahead == -1);
}

static void
cancelling_depends_on_where_the_task_stands(void **state)
{
	struct task_result failed = { .outcome = TASK_FAILED,
		.failure = FAILURE_AGENT,
		.error = "It broke" };
	enum task_state now, final;
	struct err e = { 0 };
	struct hold h;
	char user[37];
	int64_t id;

	(void)state;
	clean();
	make_user(user);
	id = start_task(user);
	ok(task_cancel(db, user, id, &now, &e));
	assert_int_equal(now, TASK_CANCELLED);
	ok(task_cancel(db, user, id, &now, &e));
	assert_int_equal(now, TASK_CANCELLED);
	assert_true(number("SELECT status = 'cancelled' AND completed_at IS"
			   " NOT NULL FROM tasks") == 1);
	assert_true(number("SELECT COUNT(*) FROM task_queue") == 0);
	assert_true(number("SELECT COUNT(*) FROM task_secrets") == 0);
	assert_true(number("SELECT kind = 'end' FROM task_events"
			   " ORDER BY seq DESC LIMIT 1") == 1);
	id = start_task(user);
	h = claim_one(OWNER);
	ok(queue_complete(db, &h, NULL, 0, 0, &failed, &final, &e));
	assert_int_equal(task_cancel(db, user, id, &now, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(now, TASK_FAILED);
	ok(task_status_get(db, user, id, note_status, NULL, &e));
	assert_non_null(strstr(seen_text, "failed|"));
	assert_non_null(strstr(seen_text, "|It broke|"));
}

/* From an imported table: it stands in no queue, and nobody else ends it. */
static void
a_task_without_a_queue_row_can_be_cancelled(void **state)
{
	char user[37], text[200];
	enum task_state now;
	struct err e = { 0 };

	(void)state;
	clean();
	make_user(user);
	(void)snprintf(text, sizeof(text),
	    "INSERT INTO tasks (user_id, status) VALUES ('%s', 'running')",
	    user);
	sql(text);
	ok(task_cancel(db, user, number("SELECT id FROM tasks"), &now, &e));
	assert_int_equal(now, TASK_CANCELLED);
	assert_true(number("SELECT status = 'cancelled' FROM tasks") == 1);
}

int
run_task_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_started_task_reads_as_the_contract_says),
		cmocka_unit_test(a_finished_task_shows_every_column),
		cmocka_unit_test(foreign_and_missing_tasks_look_alike),
		cmocka_unit_test(
		    a_disabled_user_is_told_apart_from_a_missing_task),
		cmocka_unit_test(a_key_starts_one_task),
		cmocka_unit_test(
		    projects_and_limits_are_looked_at_before_a_start),
		cmocka_unit_test(lists_are_newest_first_and_can_be_paged),
		cmocka_unit_test(events_are_read_in_pages),
		cmocka_unit_test(a_place_in_line_is_the_number_before_it),
		cmocka_unit_test(cancelling_depends_on_where_the_task_stands),
		cmocka_unit_test(a_task_without_a_queue_row_can_be_cancelled),
	};

	return cmocka_run_group_tests_name("task", tests, fixture_up,
	    fixture_down);
}
