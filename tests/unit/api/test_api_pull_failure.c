/* No class of failures, E2B's own among them, is answered as our bug. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/pull_failure.h"
#include "exec/e2b_trouble.h"

static void
each_class_has_its_own_answer(void **state)
{
	(void)state;
	for (enum failure f = 0; f < FAILURE_N; f++)
		assert_int_equal(pull_failure_of(f)->failure, f);
	assert_int_equal(pull_failure_of(FAILURE_N)->failure, FAILURE_INTERNAL);
}

static void
answers_say_what_to_do(void **state)
{
	(void)state;
	for (enum failure f = 0; f < FAILURE_N; f++) {
		const struct pull_failure *a = pull_failure_of(f);
		bool ours = f == FAILURE_NONE || f == FAILURE_INTERNAL ||
		    strncmp(failure_name(f), "agent_", 6) == 0;

		if ((a->status == 500) != ours || a->status < 400)
			fail_msg("%s: %d", failure_name(f), a->status);
		/* Who may come again is told when, others are not. */
		if (a->retry_s > 0)
			assert_true(a->status == 502 || a->status == 503);
		if (a->status == 503)
			assert_true(a->retry_s > 0);
		if (a->text != NULL && a->retry_s > 0)
			assert_non_null(strstr(a->text, "try again"));
		else if (a->text != NULL)
			assert_non_null(strstr(a->text, "dministrator"));
	}
}

/* What E2B may say reaches the table under a name that is in it. */
static void
e2b_has_no_unknown_trouble(void **state)
{
	(void)state;
	for (enum e2b_trouble t = E2B_FINE + 1; t < E2B_TROUBLE_N; t++) {
		const char *name = e2b_trouble_failure(t);

		if (name == NULL)
			continue; /* the attempt is lost, and made again */
		assert_string_equal(failure_name(failure_of(name)), name);
		if (pull_failure_of(failure_of(name))->status == 500)
			fail_msg("%s is answered with 500", name);
		assert_non_null(pull_failure_of(failure_of(name))->text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_class_has_its_own_answer),
		cmocka_unit_test(answers_say_what_to_do),
		cmocka_unit_test(e2b_has_no_unknown_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
