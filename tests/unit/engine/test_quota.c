/* Claims while the account has no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/quota.h"

static void
all_there_is_while_nothing_is_refused(void **state)
{
	struct quota q = { 0 };

	(void)state;
	assert_int_equal(quota_room(&q, 8, 0), 8);
	quota_claimed(&q, 0);
	assert_int_equal(quota_room(&q, 8, 0), 8);
}

static void
one_at_a_time_after_a_refusal(void **state)
{
	struct quota q = { 0 };
	int64_t now = 1000;

	(void)state;
	quota_refused(&q, now);
	assert_int_equal(quota_room(&q, 8, now), 0);
	now += QUOTA_PAUSE_MS;
	assert_int_equal(quota_room(&q, 8, now), 1);
	assert_int_equal(quota_room(&q, 8, now), 1); /* none was there */
	quota_claimed(&q, now);
	assert_int_equal(quota_room(&q, 8, now), 0);
	assert_int_equal(quota_room(&q, 8, now + QUOTA_PROBE_MS - 1), 0);
	/* Nobody has refused that one. */
	assert_int_equal(quota_room(&q, 8, now + QUOTA_PROBE_MS), 8);
}

static void
pauses_grow_up_to_a_bound(void **state)
{
	static const int64_t pauses[] = { 1000, 2000, 4000, 8000, 8000, 8000 };
	struct quota q = { 0 };
	int64_t now = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		quota_refused(&q, now);
		assert_int_equal(quota_room(&q, 8, now + pauses[i] - 1), 0);
		now += pauses[i];
		assert_int_equal(quota_room(&q, 8, now), 1);
		quota_claimed(&q, now);
	}
	quota_refused(&q, now);
	quota_refused(&q, now + 10); /* claimed together with that one */
	assert_int_equal(q.until_ms - now, QUOTA_PAUSE_MOST_MS);
	now = q.until_ms;
	q.refusals = 4000000000u; /* for how long it may ever be */
	quota_refused(&q, now);
	assert_int_equal(q.until_ms - now, QUOTA_PAUSE_MOST_MS);
}

static void
a_place_that_is_free_ends_the_pause(void **state)
{
	struct quota q = { 0 };

	(void)state;
	quota_freed(&q, 0);
	assert_int_equal(quota_room(&q, 8, 0), 8);
	quota_refused(&q, 0);
	quota_freed(&q, 10);
	assert_int_equal(quota_room(&q, 8, 10), 1);
	quota_claimed(&q, 10);
	quota_freed(&q, 20); /* how that one fares is not known yet */
	assert_int_equal(quota_room(&q, 8, 20), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_there_is_while_nothing_is_refused),
		cmocka_unit_test(one_at_a_time_after_a_refusal),
		cmocka_unit_test(pauses_grow_up_to_a_bound),
		cmocka_unit_test(a_place_that_is_free_ends_the_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
