#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct task_row seen;
static char seen_text[4096];

static int
note_status(void *ctx, const struct task_row *row, struct err *e)
{
	(void)ctx;
	(void)e;
	seen = *row;
	(void)snprintf(seen_text, sizeof(seen_text), "%s|%s|%s|%s|%.*s|%.*s|%s",
	    row->status, row->agent, row->repo_url, row->target_branch,
	    (int)row->changed_files_len, row->changed_files,
	    (int)row->prompt_len, row->prompt, row->created_at);
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
	assert_null(seen.commit_hash);
	assert_null(seen.error);
	assert_non_null(strstr(seen_text,
	    "pending|claude|https://github.com/a/b|main|[]|Write a file|20"));
	assert_non_null(strstr(seen_text, "+00:00"));
}

int
run_task_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_started_task_reads_as_the_contract_says),
	};

	return cmocka_run_group_tests_name("task", tests, fixture_up,
	    fixture_down);
}
