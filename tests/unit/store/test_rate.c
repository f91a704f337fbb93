/* Time stands still here: the session's clock is set by hand. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "store/rate.h"

#define EDGE 1700000100 /* a window begins: a multiple of 900 */

_Static_assert(EDGE % RATE_WINDOW_S == 0, "the edge of a window");

static const uint8_t key[32] = { 7 };
static unsigned int wait_s;

static void
at(int64_t s)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "SET timestamp = %" PRId64, s);
	sql(text);
}

/* How many of n get through. */
static int
take(struct rate *r, int n)
{
	struct err e = { 0 };
	int taken = 0;

	while (n-- > 0) {
		int got = rate_take(db, r, &wait_s, &e);

		ok(got);
		taken += got;
	}
	return taken;
}

static struct rate
fresh(long limit)
{
	clean();
	return (struct rate){ .kind = "test", .key = key, .limit = limit };
}

static void
no_more_than_the_limit_passes_at_a_windows_edge(void **state)
{
	struct rate r = fresh(10);

	(void)state;
	at(EDGE + 890);
	assert_int_equal(take(&r, 12), 10);
	at(EDGE + 901);
	assert_int_equal(take(&r, 12), 1); /* 9.98 of before still count */
	at(EDGE + 900 + 450);
	assert_int_equal(take(&r, 12), 4); /* 5 of before, and the 1 */
	at(EDGE + 1800);
	assert_int_equal(take(&r, 12), 5);
	at(EDGE + 3600);
	assert_int_equal(take(&r, 12), 10);
}

/* Retry-After keeps its word: one passes then, and none a second before. */
static void
the_wait_is_as_long_as_it_takes(void **state)
{
	static const struct {
		int64_t first, second;
	} cases[] = { { 0, 1 }, { 0, 500 }, { 100, 899 }, { 890, 899 },
		{ 890, 905 }, { 890, 1300 }, { 10, 950 } };
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rate r = fresh(10);
		unsigned int wait;

		at(EDGE + cases[i].first);
		(void)take(&r, 10);
		at(EDGE + cases[i].second);
		(void)take(&r, 10);
		wait = wait_s;
		assert_true(wait >= 1 && wait <= RATE_WINDOW_S);
		at(EDGE + cases[i].second + wait - 1);
		assert_int_equal(take(&r, 1), 0);
		at(EDGE + cases[i].second + wait);
		assert_int_equal(take(&r, 1), 1);
	}
}

static void
beyond_the_limit_it_eases(void **state)
{
	struct rate r = fresh(3);

	(void)state;
	r.eases = true;
	at(EDGE + 100);
	assert_int_equal(take(&r, 5), 3);
	assert_int_equal(wait_s, 1);
	at(EDGE + 101);
	assert_int_equal(take(&r, 5), 1);
	sql("UPDATE rate_windows SET hits = 24");
	assert_int_equal(take(&r, 1), 0);
	assert_int_equal(wait_s, 4);
	at(EDGE + 105);
	assert_int_equal(take(&r, 2), 1);
	sql("UPDATE rate_windows SET hits = 100000");
	assert_int_equal(take(&r, 1), 0);
	assert_int_equal(wait_s, RATE_PAUSE_MAX_S);
}

static void
what_is_given_back_was_never_there(void **state)
{
	struct rate r = fresh(2);
	struct err e = { 0 };

	(void)state;
	at(EDGE + 899);
	assert_int_equal(take(&r, 3), 2);
	at(EDGE + 900); /* it was counted in the window before */
	r.window[0] = '\0';
	assert_int_equal(take(&r, 1), 0);
	at(EDGE + 899);
	assert_int_equal(take(&r, 1), 0);
	at(EDGE + 901);
	ok(rate_give_back(db, &r, &e));
	assert_true(number("SELECT MAX(hits) FROM rate_windows") == 1);
}

static void
without_a_limit_all_is_counted(void **state)
{
	struct rate r = fresh(RATE_NO_LIMIT);

	(void)state;
	r.eases = true;
	at(EDGE + 899);
	assert_int_equal(take(&r, 20), 20);
	at(EDGE + 901);
	assert_int_equal(take(&r, 20), 20);
	r.limit = 30;
	assert_int_equal(take(&r, 1), 0);
}

static int
time_flows_again(void **state)
{
	(void)state;
	sql("SET timestamp = DEFAULT");
	return 0;
}

int
run_rate_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		    no_more_than_the_limit_passes_at_a_windows_edge,
		    time_flows_again),
		cmocka_unit_test_teardown(the_wait_is_as_long_as_it_takes,
		    time_flows_again),
		cmocka_unit_test_teardown(beyond_the_limit_it_eases,
		    time_flows_again),
		cmocka_unit_test_teardown(what_is_given_back_was_never_there,
		    time_flows_again),
		cmocka_unit_test_teardown(without_a_limit_all_is_counted,
		    time_flows_again),
	};

	return cmocka_run_group_tests_name("rate", tests, fixture_up,
	    fixture_down);
}
