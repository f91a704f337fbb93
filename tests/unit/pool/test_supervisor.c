#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>

#include "pool/supervisor.h"
#include "util/log.h"

/* A world without processes: rows that are alive because a test says so. */
struct world {
	struct supervisor s;
	bool alive[SUPERVISOR_ROWS];
	bool ready[SUPERVISOR_ROWS];
	bool termed[SUPERVISOR_ROWS];
	bool killed[SUPERVISOR_ROWS];
	int64_t busy_since[SUPERVISOR_ROWS];
	int starts;
	int start_fails; /* so many times */
	int64_t now;
};

static int
start(void *ctx, size_t row, struct err *e)
{
	struct world *w = ctx;

	if (w->start_fails > 0) {
		w->start_fails--;
		return err_set(e, ERR_RETRY, "no more processes");
	}
	assert_false(w->alive[row]);
	w->alive[row] = true;
	w->ready[row] = w->termed[row] = w->killed[row] = false;
	w->busy_since[row] = 0;
	w->starts++;
	return 0;
}

static void
take_signal(void *ctx, size_t row, int sig)
{
	struct world *w = ctx;

	assert_true(w->alive[row]);
	if (sig == SIGKILL)
		w->killed[row] = true;
	else
		w->termed[row] = true;
}

static bool
ready(void *ctx, size_t row)
{
	return ((struct world *)ctx)->ready[row];
}

static int64_t
busy_since(void *ctx, size_t row)
{
	return ((struct world *)ctx)->busy_since[row];
}

static void
begin(struct world *w, size_t wanted, bool stop_first)
{
	const struct supervisor_ops ops = { start, take_signal, ready,
		busy_since, w };
	const struct supervisor_limits limits = { wanted, 5000, 2000,
		stop_first };

	log_open("test", LOG_ERROR);
	memset(w, 0, sizeof(*w));
	w->now = 1000000;
	supervisor_init(&w->s, "worker", &ops, &limits);
	(void)supervisor_tick(&w->s, w->now);
}

static void
pass(struct world *w, int64_t ms)
{
	w->now += ms;
	(void)supervisor_tick(&w->s, w->now);
}

static void
end(struct world *w, size_t row, int code, int sig)
{
	assert_true(w->alive[row]);
	w->alive[row] = false;
	supervisor_ended(&w->s, row, code, sig, w->now);
	(void)supervisor_tick(&w->s, w->now);
}

static void
all_ready(struct world *w)
{
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		w->ready[i] = w->alive[i];
	pass(w, 0);
}

static int
living(const struct world *w)
{
	int n = 0;

	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		n += w->alive[i];
	return n;
}

static void
starts_as_many_as_wanted(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 4, false);
	assert_int_equal(w.starts, 4);
	assert_int_equal(supervisor_alive(&w.s), 4);
	assert_int_equal(supervisor_ready(&w.s), 0);
	all_ready(&w);
	assert_int_equal(supervisor_ready(&w.s), 4);
	pass(&w, 100000);
	assert_int_equal(w.starts, 4);
}

static void
replaces_the_dead_at_once(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2, false);
	all_ready(&w);
	pass(&w, 1500);
	end(&w, 0, 0, SIGSEGV);
	assert_int_equal(w.starts, 3);
	assert_int_equal(w.s.deaths, 1);
	assert_int_equal(supervisor_held_until(&w.s, w.now), 0);
}

static void
holds_back_who_keeps_dying(void **state)
{
	static const int64_t pauses[] = { 0, 100, 500, 1000, 2000, 5000, 10000,
		30000, 30000 };
	struct world w;

	(void)state;
	begin(&w, 1, false);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		int before = w.starts;

		end(&w, 0, 9, 0);
		if (pauses[i] > 0) {
			assert_int_equal(supervisor_held_until(&w.s, w.now),
			    w.now + pauses[i]);
			pass(&w, pauses[i] - 1);
			assert_int_equal(w.starts, before);
			pass(&w, 1);
		}
		assert_int_equal(w.starts, before + 1);
	}
	pass(&w, SUPERVISOR_QUICK_MS);
	end(&w, 0, 9, 0);
	assert_true(w.alive[0]);
	end(&w, 0, 9, 0);
	assert_true(w.alive[0]);
}

static void
holds_back_one_place_while_others_serve(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 3, false);
	all_ready(&w);
	for (int i = 0; i < 3; i++) {
		end(&w, 1, 9, 0);
		pass(&w, 100);
	}
	assert_int_equal(living(&w), 2);
	assert_true(supervisor_held_until(&w.s, w.now) > w.now);
	pass(&w, 2000);
	end(&w, 0, 1, 0);
	assert_true(w.alive[0]);
}

static void
a_start_that_fails_is_held_back_too(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1, false);
	w.start_fails = 2;
	end(&w, 0, 9, 0);
	pass(&w, 0);
	assert_int_equal(living(&w), 0);
	pass(&w, 100);
	pass(&w, 500);
	assert_int_equal(living(&w), 1);
}

static void
who_retires_is_replaced_without_pause(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1, false);
	for (int i = 0; i < 20; i++) {
		all_ready(&w);
		end(&w, 0, 0, 0);
		assert_true(w.alive[0]);
	}
	assert_int_equal(w.s.deaths, 0);

	/* Leaving in order before it was ever ready is no retirement. */
	end(&w, 0, 0, 0);
	end(&w, 0, 0, 0);
	assert_false(w.alive[0]);
}

static void
F14_kills_who_is_busy_too_long(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2, false);
	all_ready(&w);
	w.busy_since[1] = w.now;
	pass(&w, 4999);
	assert_false(w.killed[1]);
	pass(&w, 1);
	assert_true(w.killed[1]);
	assert_false(w.killed[0]);
	assert_int_equal(w.s.killed, 1);
	pass(&w, 1000);
	assert_int_equal(w.s.killed, 1);
	end(&w, 1, 137, SIGKILL);
	assert_true(w.alive[1]);
}

static void
kills_who_never_becomes_ready(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1, false);
	pass(&w, 4999);
	assert_false(w.killed[0]);
	pass(&w, 1);
	assert_true(w.killed[0]);
}

static void
looks_often_enough(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 1, false);
	assert_true(supervisor_tick(&w.s, w.now) <= w.now + 50);
	all_ready(&w);
	assert_true(supervisor_tick(&w.s, w.now) <= w.now + 1000);
	assert_true(supervisor_tick(&w.s, w.now) > w.now);
}

static void
a_new_generation_comes_before_the_old_goes(void **state)
{
	struct supervisor_limits limits = { 3, 5000, 2000, false };
	struct world w;

	(void)state;
	begin(&w, 2, false);
	all_ready(&w);
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	assert_int_equal(living(&w), 5);
	assert_false(w.termed[0] || w.termed[1]);

	/* As long as one of the new is not ready, the old serve. */
	w.ready[2] = w.ready[3] = true;
	pass(&w, 4000);
	assert_false(w.termed[0] || w.termed[1]);
	w.ready[4] = true;
	pass(&w, 20);
	assert_true(w.termed[0] && w.termed[1]);
	assert_false(w.termed[2] || w.termed[3] || w.termed[4]);
	end(&w, 0, 0, 0);
	pass(&w, 2000);
	assert_true(w.killed[1]);
	end(&w, 1, 137, SIGKILL);
	assert_int_equal(living(&w), 3);
	assert_int_equal(w.starts, 5);
}

static void
a_generation_that_cannot_start_leaves_the_old_in_place(void **state)
{
	struct supervisor_limits limits = { 1, 5000, 2000, false };
	struct world w;

	(void)state;
	begin(&w, 1, false);
	all_ready(&w);
	pass(&w, 5000);
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	for (int i = 0; i < 10; i++) {
		if (w.alive[1])
			end(&w, 1, 9, 0);
		pass(&w, 1000);
	}
	assert_true(w.alive[0]);
	assert_false(w.termed[0]);
}

static void
an_old_one_is_still_killed_when_busy_too_long(void **state)
{
	struct supervisor_limits limits = { 1, 5000, 20000, false };
	struct world w;

	(void)state;
	begin(&w, 1, false);
	all_ready(&w);
	w.busy_since[0] = w.now;
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	all_ready(&w);
	assert_true(w.termed[0]);
	pass(&w, 5000);
	assert_true(w.killed[0]);
}

static void
the_largest_pool_reloads_and_reloads_again(void **state)
{
	struct supervisor_limits limits = { POOL_WANTED_MAX, 5000, 2000,
		false };
	struct world w;

	(void)state;
	begin(&w, POOL_WANTED_MAX, false);
	all_ready(&w);
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	assert_int_equal(living(&w), SUPERVISOR_ROWS);
	all_ready(&w);
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (w.termed[i])
			end(&w, i, 0, 0);
	all_ready(&w);
	for (size_t i = 0; i < SUPERVISOR_ROWS; i++)
		if (w.termed[i])
			end(&w, i, 0, 0);
	assert_int_equal(living(&w), POOL_WANTED_MAX);
	assert_int_equal(w.starts, 3 * POOL_WANTED_MAX);
}

static void
the_reaper_stops_before_the_next_starts(void **state)
{
	struct supervisor_limits limits = { 1, 0, 2000, true };
	struct world w;

	(void)state;
	begin(&w, 1, true);
	all_ready(&w);
	pass(&w, 5000);
	supervisor_reload(&w.s, &limits, w.now);
	pass(&w, 0);
	assert_true(w.termed[0]);
	assert_int_equal(living(&w), 1);
	end(&w, 0, 0, 0);
	assert_int_equal(living(&w), 1);
	assert_int_equal(w.starts, 2);
	assert_false(w.termed[0]);
}

static void
draining_asks_then_kills_and_starts_nothing(void **state)
{
	struct world w;

	(void)state;
	begin(&w, 2, false);
	all_ready(&w);
	pass(&w, 5000);
	supervisor_drain(&w.s, w.now);
	assert_true(w.termed[0] && w.termed[1]);
	end(&w, 0, 0, 0);
	pass(&w, 1999);
	assert_false(w.killed[1]);
	pass(&w, 1);
	assert_true(w.killed[1]);
	end(&w, 1, 137, SIGKILL);
	pass(&w, 60000);
	assert_int_equal(supervisor_alive(&w.s), 0);
	assert_int_equal(w.starts, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_as_many_as_wanted),
		cmocka_unit_test(replaces_the_dead_at_once),
		cmocka_unit_test(holds_back_who_keeps_dying),
		cmocka_unit_test(holds_back_one_place_while_others_serve),
		cmocka_unit_test(a_start_that_fails_is_held_back_too),
		cmocka_unit_test(who_retires_is_replaced_without_pause),
		cmocka_unit_test(F14_kills_who_is_busy_too_long),
		cmocka_unit_test(kills_who_never_becomes_ready),
		cmocka_unit_test(looks_often_enough),
		cmocka_unit_test(a_new_generation_comes_before_the_old_goes),
		cmocka_unit_test(
		    a_generation_that_cannot_start_leaves_the_old_in_place),
		cmocka_unit_test(an_old_one_is_still_killed_when_busy_too_long),
		cmocka_unit_test(the_largest_pool_reloads_and_reloads_again),
		cmocka_unit_test(the_reaper_stops_before_the_next_starts),
		cmocka_unit_test(draining_asks_then_kills_and_starts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
