#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/csv.h"

/* Rows as "line:a|b|;": NULL is "-", the end "." and an error "!". */
static void
expect(const char *text, const char *want)
{
	struct csv_row row = { 0 };
	struct err e = { 0 };
	char got[500] = "";
	struct csv c;
	int rc;

	csv_open(&c, text, strlen(text));
	while ((rc = csv_next(&c, &row, &e)) == 1) {
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%zu:", row.line);
		for (size_t i = 0; i < row.count; i++) {
			const char *field = csv_text(&row, i);

			(void)snprintf(got + strlen(got),
			    sizeof(got) - strlen(got), "%s|",
			    field == NULL ? "-" : field);
		}
		assert_null(csv_text(&row, row.count));
		(void)strcat(got, ";");
	}
	(void)strcat(got, rc == 0 ? "." : "!");
	assert_string_equal(got, want);
	if (rc == -1)
		assert_int_equal(e.kind, ERR_INVALID);
	csv_row_clear(&row);
}

static void
fields_and_rows(void **state)
{
	(void)state;
	expect("", ".");
	expect("\n\r\n\n", ".");
	expect("a", "1:a|;.");
	expect("a,b\nc,d\n", "1:a|b|;2:c|d|;.");
	expect("a,b\r\nc,d", "1:a|b|;2:c|d|;.");
	expect("\xef\xbb\xbf"
	       "a\n\n\nb\n",
	    "1:a|;4:b|;.");
	expect(" a , b ", "1: a | b |;.");
	expect("a\rb,c", "1:a\rb|c|;.");
}

static void
null_is_not_empty(void **state)
{
	(void)state;
	expect(",\n", "1:-|-|;.");
	expect("\"\",,\"\"", "1:|-||;.");
	expect("\"\"", "1:|;.");
}

static void
quotes(void **state)
{
	(void)state;
	expect("\"a,b\",\"c\"\"d\"", "1:a,b|c\"d|;.");
	expect("\"a\nb\r\nc\",d\ne", "1:a\nb\r\nc|d|;4:e|;.");
	expect("\"\"\"\"", "1:\"|;.");
}

static void
what_does_not_match_ends_it(void **state)
{
	(void)state;
	expect("a\n\"b", "1:a|;!");
	expect("a\n\"b\"\"", "1:a|;!");
	expect("a\"b", "!");
	expect("\"a\"b", "!");
	expect("\"a\" ,b", "!");
}

static void
the_number_of_fields_is_bounded(void **state)
{
	char text[2 * CSV_FIELDS_MAX + 2];
	struct csv_row row = { 0 };
	struct err e = { 0 };
	struct csv c;

	(void)state;
	(void)memset(text, ',', sizeof(text));
	csv_open(&c, text, CSV_FIELDS_MAX - 1);
	assert_int_equal(csv_next(&c, &row, &e), 1);
	assert_int_equal(row.count, CSV_FIELDS_MAX);
	csv_open(&c, text, CSV_FIELDS_MAX);
	assert_int_equal(csv_next(&c, &row, &e), -1);
	csv_row_clear(&row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_and_rows),
		cmocka_unit_test(null_is_not_empty),
		cmocka_unit_test(quotes),
		cmocka_unit_test(what_does_not_match_ends_it),
		cmocka_unit_test(the_number_of_fields_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
