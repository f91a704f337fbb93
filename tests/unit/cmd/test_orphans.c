/* Which sandboxes are killed, from one look to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cmd/orphans.h"

#define APART 30000

static void
certain_ones_at_once_and_live_ones_never(void **state)
{
	struct orphans o;

	(void)state;
	orphans_init(&o, APART);
	for (int i = 0; i < 3; i++) {
		orphans_begin(&o);
		assert_true(orphans_judge(&o, "over", STANDING_OVER, 0));
		assert_false(
		    orphans_judge(&o, "live", STANDING_LIVE, i * APART));
		orphans_end(&o);
	}
	assert_int_equal(o.count, 0);
	orphans_clear(&o);
}

/* One look: whether "x" is killed. */
static bool
look(struct orphans *o, enum standing s, int64_t now_ms)
{
	bool killed;

	orphans_begin(o);
	killed = orphans_judge(o, "x", s, now_ms);
	orphans_end(o);
	return killed;
}

static void
unknown_ones_after_two_looks(void **state)
{
	struct orphans o;

	(void)state;
	orphans_init(&o, APART);
	assert_false(look(&o, STANDING_UNKNOWN, 0));
	assert_false(look(&o, STANDING_UNKNOWN, 10)); /* too soon */
	assert_false(look(&o, STANDING_UNKNOWN, APART - 1));
	assert_true(look(&o, STANDING_UNKNOWN, APART));
	assert_true(look(&o, STANDING_UNKNOWN, APART + 1)); /* it did not go */
	orphans_clear(&o);
}

static void
a_doubt_that_was_refuted_begins_again(void **state)
{
	struct orphans o;

	(void)state;
	orphans_init(&o, APART);
	assert_false(look(&o, STANDING_UNKNOWN, 0));
	assert_false(look(&o, STANDING_LIVE, APART));
	assert_false(look(&o, STANDING_UNKNOWN, 2 * APART));
	assert_true(look(&o, STANDING_UNKNOWN, 3 * APART));
	orphans_clear(&o);
}

/* A look in between that broke off before it came to this one. */
static void
looks_must_be_in_a_row(void **state)
{
	struct orphans o;

	(void)state;
	orphans_init(&o, APART);
	assert_false(look(&o, STANDING_UNKNOWN, 0));
	orphans_begin(&o);
	assert_false(look(&o, STANDING_UNKNOWN, 2 * APART));
	assert_true(look(&o, STANDING_UNKNOWN, 3 * APART));
	orphans_clear(&o);
}

static void
doubts_have_a_bound(void **state)
{
	struct orphans o;
	unsigned int killed = 0;
	char id[24];

	(void)state;
	orphans_init(&o, 0);
	for (int i = 0; i < 2; i++) {
		orphans_begin(&o);
		for (int k = 0; k < 3 * ORPHANS_DOUBTS_MAX; k++) {
			(void)snprintf(id, sizeof(id), "i%d", k);
			killed += orphans_judge(&o, id, STANDING_UNKNOWN, i);
		}
		orphans_end(&o);
	}
	assert_true(killed >= ORPHANS_DOUBTS_MAX);
	assert_true(killed < 2 * ORPHANS_DOUBTS_MAX);
	orphans_clear(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certain_ones_at_once_and_live_ones_never),
		cmocka_unit_test(unknown_ones_after_two_looks),
		cmocka_unit_test(a_doubt_that_was_refuted_begins_again),
		cmocka_unit_test(looks_must_be_in_a_row),
		cmocka_unit_test(doubts_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
