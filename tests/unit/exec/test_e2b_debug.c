/* What a log of the level debug may show of a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/e2b.h"

static void
secrets_are_masked_by_their_names(void **state)
{
	static const struct {
		const char *body, *shown;
	} rows[] = {
		{ "", "(0 bytes)" },
		{ "no json, but a secret", "(21 bytes)" },
		{ "{\"a\":1,\"b\":[true,\"x\",{\"c\":null}]}",
		    "{\"a\":1,\"b\":[\"***\",\"x\",{\"c\":null}]}" },
		{ "{\"sandboxID\":\"i1\",\"envdAccessToken\":\"s\","
		  "\"trafficAccessToken\":null,\"domain\":\"d\"}",
		    "{\"sandboxID\":\"i1\",\"envdAccessToken\":\"***\","
		    "\"trafficAccessToken\":null,\"domain\":\"d\"}" },
		{ "[{\"envdAccessToken\":\"s\"}]",
		    "[{\"envdAccessToken\":\"***\"}]" },
		{ "{\"process\":{\"cmd\":\"sh\",\"args\":[\"-c\"],\"envs\":"
		  "{\"A\":\"s\",\"B\":{\"C\":\"s\"}}},\"tag\":\"t\"}",
		    "{\"process\":{\"cmd\":\"sh\",\"args\":[\"-c\"],\"envs\":"
		    "{\"A\":\"***\",\"B\":{\"C\":\"***\"}}},\"tag\":\"t\"}" },
		{ "{\"envVars\":{\"A\":\"s\"},\"X-API-Key\":\"s\","
		  "\"Authorization\":[\"s\"],\"Password\":7}",
		    "{\"envVars\":{\"A\":\"***\"},\"X-API-Key\":\"***\","
		    "\"Authorization\":[\"***\"],\"Password\":\"***\"}" },
		{ "{\"event\":{\"data\":{\"stdout\":\"c2VjcmV0\"}}}",
		    "{\"event\":{\"data\":{\"stdout\":\"***\"}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = BUF(4096);

		e2b_mask(&out, rows[i].body, strlen(rows[i].body));
		assert_true(buf_ok(&out));
		assert_string_equal(out.data, rows[i].shown);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_masked_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
