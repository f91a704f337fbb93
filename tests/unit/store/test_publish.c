/* Pull requests on their way: claims, leases, ends. */
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "store/publish.h"

static const uint8_t nonce[16] = "0123456789abcde";

/* A completed task with a patch, of test_user. */
static int64_t
completed_task(void)
{
	int64_t id = test_one_task();
	struct hold h = claim_one(OWNER);
	enum task_state final;
	struct err e = { 0 };

	ok(queue_complete(db, &h, NULL, 0, 0, &small_result, &final, &e));
	assert_int_equal(final, TASK_COMPLETED);
	return id;
}

static void
ask_with(int64_t id, const char *repo, const char *sealed)
{
	const struct publish_new n = { .user_id = test_user,
		.task_id = id,
		.repo_url = repo,
		.base_branch = "main",
		.key_id = "0123456789abcdef",
		.nonce = nonce,
		.sealed = sealed,
		.sealed_len = strlen(sealed) };
	struct err e = { 0 };

	ok(publish_request(db, &n, &e));
}

static void
ask_for(int64_t id, const char *repo)
{
	ask_with(id, repo, "sealed");
}

static struct publish_row
look(int64_t id)
{
	struct publish_row row;
	struct err e = { 0 };

	ok(publish_look(db, test_user, id, &row, &e));
	return row;
}

static struct hold
claim(const char *owner)
{
	struct publish_claim c;
	struct err e = { 0 };
	struct hold h;

	ok(publish_claim(db, owner, 60, &c, &e));
	h = c.task.hold;
	publish_claim_clear(&c);
	return h;
}

static const struct publish_result pushed = { "claude-code-1",
	"0123456789012345678901234567890123456789", NULL, NULL };
static const struct publish_result refused = { NULL, NULL, "refused", "no" };

static void
test_way_of_a_request(void **state)
{
	const struct publish_pull pull = { "claude-code-1", 12,
		"https://x/12" };
	int64_t id = completed_task();
	struct publish_task t;
	struct publish_claim c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(look(id).state, PUBLISH_NONE);
	assert_int_equal(publish_claim(db, OWNER, 60, &c, &e), 0);
	ask_for(id, "https://github.com/o/r");
	ask_with(id, "https://github.com/o/other", "newer"); /* joins */
	assert_int_equal(look(id).state, PUBLISH_REQUESTED);
	assert_int_equal(publish_claim(db, OWNER, 60, &c, &e), 1);
	assert_true(hold_publishes(&c.task.hold));
	assert_int_equal(c.task.hold.attempt, HOLD_PUBLISH + 1);
	assert_string_equal(c.task.repo_url, "https://github.com/o/r");
	assert_string_equal(c.task.branch, "main");
	assert_string_equal(c.task.user_id, test_user);
	assert_int_equal(c.task.sealed_len, 5);
	assert_memory_equal(c.task.sealed, "newer", 5);
	ask_with(id, "https://github.com/o/r", "late");
	assert_int_equal(number("SELECT sealed = 'newer' FROM pull_requests"),
	    1);
	assert_int_equal(c.patch_len, small_result.git_patch_len);
	assert_memory_equal(c.patch, small_result.git_patch, c.patch_len);
	assert_true(c.completed_s > 1700000000);
	assert_int_equal(look(id).state, PUBLISH_RUNNING);
	ok(publish_complete(db, &c.task.hold, &pushed, &e));
	assert_int_equal(look(id).state, PUBLISH_PUSHED);
	assert_string_equal(look(id).head_branch, "claude-code-1");
	assert_int_equal(
	    number("SELECT COUNT(*) FROM pull_requests WHERE sealed IS NULL"),
	    1);
	ok(publish_opened(db, test_user, id, &pull, &e));
	ok(publish_opened(db, test_user, id, &pull, &e));
	assert_int_equal(look(id).state, PUBLISH_DONE);
	ok(publish_task_get(db, test_user, id, &t, &e));
	assert_true(t.has_pull);
	assert_int_equal(t.pr_number, 12);
	assert_string_equal(t.pr_url, "https://x/12");
	publish_task_clear(&t);
	publish_claim_clear(&c);
}

static void
test_failed_ones_begin_again(void **state)
{
	int64_t id = completed_task();
	struct err e = { 0 };
	struct hold h;

	(void)state;
	ask_for(id, "https://github.com/o/r");
	h = claim(OWNER);
	ok(publish_complete(db, &h, &refused, &e));
	assert_int_equal(look(id).state, PUBLISH_FAILED);
	assert_string_equal(look(id).failure, "refused");
	assert_string_equal(look(id).error, "no");
	/* Once: a second end is somebody else's. */
	assert_int_equal(publish_complete(db, &h, &pushed, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(
	    number("SELECT COUNT(*) FROM pull_requests WHERE sealed IS NULL"),
	    1);
	ask_for(id, "https://github.com/o/moved");
	assert_int_equal(look(id).state, PUBLISH_REQUESTED);
	assert_string_equal(look(id).failure, "");
	assert_int_equal(number("SELECT repo_url = 'https://github.com/o/moved'"
				" AND sealed = 'sealed' FROM pull_requests"),
	    1);
	assert_int_equal(claim(OWNER).attempt, h.attempt + 1);
}

static void
test_fences(void **state)
{
	int64_t id = completed_task();
	enum hold_state s;
	unsigned int tries;
	struct err e = { 0 };
	struct hold old, h;

	(void)state;
	ask_for(id, "https://github.com/o/r");
	old = claim(OWNER);
	ok(publish_renew(db, OWNER, &old, 60, &s, &e));
	assert_int_equal(s, HOLD_OURS);
	ok(publish_give_back(db, &old, 0, true, "its process died", &e));
	ok(publish_hold_state(db, &old, &s, &e));
	assert_int_equal(s, HOLD_SUPERSEDED);
	h = claim(OWNER_2);
	ok(publish_tries(db, &h, &tries, &e));
	assert_int_equal(tries, 1);
	ok(publish_renew(db, OWNER, &old, 60, &s, &e));
	assert_int_equal(s, HOLD_SUPERSEDED);
	assert_int_equal(publish_complete(db, &old, &pushed, &e), -1);
	assert_int_equal(publish_tries(db, &old, &tries, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	assert_int_equal(publish_give_back(db, &old, 0, true, "x", &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	ok(publish_complete(db, &h, &pushed, &e));
}

static int
count_one(void *ctx, const struct hold *h, bool cancel, struct err *e)
{
	(void)h;
	(void)e;
	assert_false(cancel);
	(*(int *)ctx)++;
	return 0;
}

static void
test_owners_and_sweep(void **state)
{
	const struct sweep s = { OWNER_2, 1, 0, 3 };
	int64_t id = completed_task(), waiting = 0;
	unsigned int taken = 0;
	struct err e = { 0 };
	int seen = 0;

	(void)state;
	ask_for(id, "https://github.com/o/r");
	ok(publish_waiting(db, &waiting, &e));
	assert_int_equal(waiting, 1);
	(void)claim(OWNER);
	ok(publish_owned(db, OWNER, count_one, &seen, &e));
	assert_int_equal(seen, 1);
	ok(publish_owned(db, OWNER_2, count_one, &seen, &e));
	assert_int_equal(seen, 1);
	ok(publish_owned_by_past_boots(db,
	    "aaaaaaaa-0000-4000-8000-000000000001", "boot-2", count_one, &seen,
	    &e));
	assert_int_equal(seen, 2);
	ok(publish_sweep(db, &s, &taken, &e));
	assert_int_equal(taken, 0);
	for (unsigned int i = 1; i <= 3; i++) {
		sql("UPDATE pull_requests SET lease_until ="
		    " UTC_TIMESTAMP(6) - INTERVAL 1 HOUR");
		ok(publish_sweep(db, &s, &taken, &e));
		assert_int_equal(taken, i);
		if (i < 3)
			(void)claim(OWNER);
	}
	assert_int_equal(look(id).state, PUBLISH_FAILED);
	assert_string_equal(look(id).failure, "lost");
	assert_int_equal(
	    number("SELECT COUNT(*) FROM pull_requests WHERE sealed IS NULL"),
	    1);
}

static void
test_forgotten_ones(void **state)
{
	const struct sweep s = { OWNER, 1, 0, 3 };
	int64_t id = completed_task(), waiting = 1;
	unsigned int taken = 0;
	struct publish_claim c;
	struct err e = { 0 };

	(void)state;
	ask_for(id, "https://github.com/o/r");
	sql("UPDATE pull_requests SET"
	    " requested_at = requested_at - INTERVAL 61 MINUTE");
	assert_int_equal(publish_claim(db, OWNER, 60, &c, &e), 0);
	ok(publish_waiting(db, &waiting, &e));
	assert_int_equal(waiting, 0);
	ok(publish_sweep(db, &s, &taken, &e));
	assert_int_equal(look(id).state, PUBLISH_FAILED);
	assert_int_equal(
	    number("SELECT COUNT(*) FROM pull_requests WHERE sealed IS NULL"),
	    1);
	ask_for(id, "https://github.com/o/r");
	assert_int_equal(claim(OWNER).task_id, id);
}

static void
test_only_its_users(void **state)
{
	const struct publish_pull pull = { "b", 1, "https://x/1" };
	int64_t id = completed_task();
	struct publish_task t;
	struct publish_row row;
	struct err e = { 0 };
	struct hold h;
	char other[37];

	(void)state;
	make_user(other);
	ask_for(id, "https://github.com/o/r");
	assert_int_equal(publish_task_get(db, other, id, &t, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	ok(publish_look(db, other, id, &row, &e));
	assert_int_equal(row.state, PUBLISH_NONE);
	h = claim(OWNER);
	ok(publish_complete(db, &h, &pushed, &e));
	ok(publish_undo(db, other, id, "refused", &e));
	ok(publish_opened(db, other, id, &pull, &e));
	assert_int_equal(look(id).state, PUBLISH_PUSHED);
	assert_int_equal(number("SELECT pr_number IS NULL FROM tasks"), 1);
	sql("DELETE FROM tasks");
	assert_int_equal(number("SELECT COUNT(*) FROM pull_requests"), 0);
}

static void
test_undo(void **state)
{
	int64_t id = completed_task();
	struct err e = { 0 };
	struct hold h;

	(void)state;
	ask_for(id, "https://github.com/o/r");
	/* Not pushed yet: nothing. */
	ok(publish_undo(db, test_user, id, "refused", &e));
	assert_int_equal(look(id).state, PUBLISH_REQUESTED);
	h = claim(OWNER);
	ok(publish_complete(db, &h, &pushed, &e));
	ok(publish_undo(db, test_user, id, "refused", &e));
	assert_int_equal(look(id).state, PUBLISH_FAILED);
}

int
run_publish_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_way_of_a_request),
		cmocka_unit_test(test_failed_ones_begin_again),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_owners_and_sweep),
		cmocka_unit_test(test_forgotten_ones),
		cmocka_unit_test(test_only_its_users),
		cmocka_unit_test(test_undo),
	};

	return cmocka_run_group_tests_name("publish", tests, fixture_up,
	    fixture_down);
}
