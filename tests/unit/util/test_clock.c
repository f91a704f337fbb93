#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/clock.h"

static void
times_are_written_as_the_contract_says(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00+00:00" },
		{ 1749895872123456, "2025-06-14T10:11:12.123456+00:00" },
		{ 1749895872120000, "2025-06-14T10:11:12.12+00:00" },
		{ 1749895872000001, "2025-06-14T10:11:12.000001+00:00" },
		{ 1749895872000000, "2025-06-14T10:11:12+00:00" },
		{ -1, "1969-12-31T23:59:59.999999+00:00" },
	};
	char out[CLOCK_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_text(out, cases[i].us);
		assert_string_equal(out, cases[i].text);
	}
}

static void
times_of_the_database_become_those(void **state)
{
	static const struct {
		const char *db, *text;
	} cases[] = {
		{ "2025-06-14 10:11:12.123456",
		    "2025-06-14T10:11:12.123456+00:00" },
		{ "2025-06-14 10:11:12.100", "2025-06-14T10:11:12.1+00:00" },
		{ "2025-06-14 10:11:12.000000", "2025-06-14T10:11:12+00:00" },
		{ "2025-06-14 10:11:12", "2025-06-14T10:11:12+00:00" },
		{ "2024-02-29 00:00:00", "2024-02-29T00:00:00+00:00" },
		{ "2025-02-29 00:00:00", "" },
		{ "1900-02-29 00:00:00", "" },
		{ "0000-00-00 00:00:00", "" },
		{ "2025-13-01 00:00:00", "" },
		{ "2025-06-14 24:00:00", "" },
		{ "2025-06-14T10:11:12", "" },
		{ "2025-06-14 10:11:12.", "" },
		{ "2025-06-14 10:11:12.1234567", "" },
		{ "2025-06-14 10:11:12Z", "" },
		{ "2025-06-14", "" },
		{ "", "" },
	};
	char out[CLOCK_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_text_of_db(out, cases[i].db, strlen(cases[i].db));
		assert_string_equal(out, cases[i].text);
	}
	/* Only len bytes count: what comes from a row is not terminated. */
	clock_text_of_db(out, "2025-06-14 10:11:12.5xyz", 21);
	assert_string_equal(out, "2025-06-14T10:11:12.5+00:00");
}

static void
the_monotonic_clock_never_steps_back(void **state)
{
	int64_t last = clock_mono_us();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_us();

		assert_true(now >= last);
		last = now;
	}
	assert_true(clock_wall_us() > 1700000000000000);
	assert_true(clock_mono_ms() >= last / 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_as_the_contract_says),
		cmocka_unit_test(times_of_the_database_become_those),
		cmocka_unit_test(the_monotonic_clock_never_steps_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
