/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <string.h>

#include "auth/bearer.h"

static void
the_token_is_found(void **state)
{
	static const char *const good[] = { "Bearer abc", "bearer abc",
		"BEARER abc", "bEaReR abc" };
	struct jwt_text t;
	struct err e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(bearer_read(&t, good[i], &e), 0);
		assert_int_equal(t.len, 3);
		assert_memory_equal(t.text, "abc", 3);
	}
	/* two parts, the second empty: then it is the token that is bad */
	assert_int_equal(bearer_read(&t, "Bearer ", &e), 0);
	assert_int_equal(t.len, 0);
}

static void
the_contracts_texts(void **state)
{
	static const char missing[] = "Missing authorization header";
	static const char format[] = "Invalid authorization header format";
	static const char scheme[] = "Invalid authentication scheme";
	static const char *const bad[][2] = {
		{ NULL, missing },
		{ "", missing },
		{ "Bearer", format },
		{ "Bearer a b", format },
		{ "Bearer  a", format },
		{ " Bearer a", format },
		{ "Bearer a ", format },
		{ "Bearer\ta", format },
		{ "  ", format },
		{ " ", scheme },
		{ "Basic dTpw", scheme },
		{ "Token a", scheme },
		{ "Bearerx a", scheme },
		{ "Beare a", scheme },
		{ " a", scheme },
	};
	struct jwt_text t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };

		assert_int_equal(bearer_read(&t, bad[i][0], &e), -1);
		assert_int_equal(e.kind, ERR_UNKNOWN);
		assert_string_equal(e.text, bad[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_token_is_found),
		cmocka_unit_test(the_contracts_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
