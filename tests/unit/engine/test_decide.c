/* The whole table of decisions, by rule and by count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/decide.h"

static const enum row_state rows[] = { ROW_UNKNOWN, ROW_OURS, ROW_CANCEL,
	ROW_SUPERSEDED };
static const enum stop_stage stops[] = { STOP_NONE, STOP_ASKED, STOP_OVERDUE };

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What the table says, written down a second time, line by line. */
static enum action
expected(const struct facts *f)
{
	static const enum action stopping[] = {
		[STOP_NONE] = ACT_TERM,
		[STOP_OVERDUE] = ACT_KILL,
	};

	if (!f->alive && f->row == ROW_SUPERSEDED)
		return ACT_DROP;
	if (!f->alive && f->row == ROW_OURS && f->resumable && !f->result)
		return ACT_RESUME;
	if (!f->alive && f->row != ROW_UNKNOWN)
		return f->result ? ACT_DELIVER : ACT_LOST;
	if (!f->alive)
		return ACT_ASK;
	if (f->cut_off && !f->result)
		return ACT_KILL;
	if (f->row == ROW_UNKNOWN)
		return ACT_ASK;
	if (f->row == ROW_OURS && !f->lingers)
		return ACT_FOLLOW;
	if (f->stop != STOP_ASKED)
		return stopping[f->stop];
	return f->row == ROW_SUPERSEDED ? ACT_WAIT : ACT_FOLLOW;
}

static void
check_flags(enum row_state row, enum stop_stage stop)
{
	for (unsigned int bits = 0; bits < 32; bits++) {
		const struct facts f = {
			.row = row,
			.stop = stop,
			.alive = (bits & 1) != 0,
			.result = (bits & 2) != 0,
			.lingers = (bits & 4) != 0,
			.cut_off = (bits & 8) != 0,
			.resumable = (bits & 16) != 0,
		};

		assert_int_equal(decide(&f), expected(&f));
	}
}

static void
the_whole_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(rows); i++)
		for (size_t k = 0; k < N(stops); k++)
			check_flags(rows[i], stops[k]);
}

/* The rules that must never be broken, whatever else is true. */
static void
check_safety(const struct facts *f)
{
	enum action a = decide(f);

	/* A live runner's attempt is neither given back nor removed. */
	if (f->alive) {
		assert_int_not_equal(a, ACT_LOST);
		assert_int_not_equal(a, ACT_DROP);
		assert_int_not_equal(a, ACT_DELIVER);
		assert_int_not_equal(a, ACT_RESUME);
	}
	/* Nothing final before the database was asked. */
	if (f->row == ROW_UNKNOWN) {
		assert_int_not_equal(a, ACT_LOST);
		assert_int_not_equal(a, ACT_DROP);
		assert_int_not_equal(a, ACT_DELIVER);
		assert_int_not_equal(a, ACT_RESUME);
		assert_int_not_equal(a, ACT_TERM);
	}
	/* A superseded attempt writes nothing. */
	if (f->row == ROW_SUPERSEDED) {
		assert_int_not_equal(a, ACT_FOLLOW);
		assert_int_not_equal(a, ACT_DELIVER);
		assert_int_not_equal(a, ACT_LOST);
	}
	/* Nobody goes on with what its user, or another machine, has ended. */
	if (f->row != ROW_OURS)
		assert_int_not_equal(a, ACT_RESUME);
	/* A task that is ours and well is left alone. */
	if (f->row == ROW_OURS && f->alive && !f->lingers && !f->cut_off)
		assert_int_equal(a, ACT_FOLLOW);
	/* A result is never thrown away while its attempt counts. */
	if (f->row == ROW_OURS && !f->alive && f->result)
		assert_int_equal(a, ACT_DELIVER);
}

static void
safety(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < N(rows) * N(stops) * 32; n++) {
		const struct facts f = {
			.row = rows[n % N(rows)],
			.stop = stops[n / N(rows) % N(stops)],
			.alive = (n / 12 & 1) != 0,
			.result = (n / 12 & 2) != 0,
			.lingers = (n / 12 & 4) != 0,
			.cut_off = (n / 12 & 8) != 0,
			.resumable = (n / 12 & 16) != 0,
		};

		check_safety(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_table),
		cmocka_unit_test(safety),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
