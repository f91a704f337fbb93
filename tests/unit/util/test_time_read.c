#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/time_read.h"

static void
expect(const char *text, const char *want)
{
	char shown[CLOCK_TEXT];
	int64_t us;

	assert_true(time_read(&us, text, strlen(text)));
	clock_text(shown, us);
	assert_string_equal(shown, want);
}

static void
all_forms_of_the_same_time(void **state)
{
	(void)state;
	expect("2025-06-14 10:11:12.123456+00",
	    "2025-06-14T10:11:12.123456+00:00");
	expect("2025-06-14T10:11:12.123456+00:00",
	    "2025-06-14T10:11:12.123456+00:00");
	expect("2025-06-14T10:11:12.123456",
	    "2025-06-14T10:11:12.123456+00:00");
	expect("2025-06-14T10:11:12.1234567Z",
	    "2025-06-14T10:11:12.123456+00:00");
	expect("2025-06-14 15:41:12+05:30", "2025-06-14T10:11:12+00:00");
	expect("2025-06-14 15:41:12+0530", "2025-06-14T10:11:12+00:00");
	expect("2025-06-13 23:11:12-11", "2025-06-14T10:11:12+00:00");
	expect("1749895872", "2025-06-14T10:11:12+00:00");
	expect("1749895872.5", "2025-06-14T10:11:12.5+00:00");
	expect("0", "1970-01-01T00:00:00+00:00");
	expect("2024-02-29 00:00:00", "2024-02-29T00:00:00+00:00");
	expect("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00");
}

static void
what_is_no_time(void **state)
{
	static const char *const texts[] = { "", "x", "yesterday",
		"2025-02-29 00:00:00", "2025-13-01 00:00:00",
		"2025-00-01 00:00:00", "2025-06-14", "2025-06-14 10:11",
		"2025-06-14 24:00:00", "2025-06-14 10:60:00",
		"2025-06-14 10:11:60", "2025-06-14 10:11:12.",
		"2025-06-14 10:11:12 ", "2025-06-14 10:11:12+",
		"2025-06-14 10:11:12+1", "2025-06-14 10:11:12+16",
		"2025-06-14 10:11:12+00:60",
		"2025-06-14 10:11:12+00:", "2025-06-14 10:11:12Zx",
		"1969-12-31 23:59:59", "1970-01-01 00:00:00+01", "-1", "1e9",
		"1749895872.", "253402300800", "99999999999999999999", " 1",
		"+1" };
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (time_read(&us, texts[i], strlen(texts[i])))
			fail_msg("taken for a time: %s", texts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_of_the_same_time),
		cmocka_unit_test(what_is_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
