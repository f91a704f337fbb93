#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "github/read.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define PULL(number, state, label, base)                                  \
	"{\"number\":" #number ",\"state\":\"" state "\",\"html_url\":"   \
	"\"https://github.com/o/r/pull/" #number "\",\"merged_at\":null," \
	"\"head\":{\"label\":\"" label "\",\"ref\":\"x\",\"sha\":\"" SHA  \
	"\"},\"base\":{\"ref\":\"" base "\"}}"

static void
a_viewer_has_a_login(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "null",
		"{\"login\":7}", "{\"login\":\"\"}", "{\"login\":\"a b\"}",
		"{\"login\":\"<b>\"}", "{\"login\":\"a\",\"login\":\"b\"}",
		"{\"login\":\"a\"", "<html>" };
	const char *good = "{\"login\":\"octo-cat_x\",\"id\":1}";
	struct host_viewer v = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(read_viewer(&v, good, strlen(good), &e), 0);
	assert_string_equal(v.login, "octo-cat_x");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_viewer(&v, bad[i], strlen(bad[i]), &e) != -1)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.kind, ERR_BROKEN);
	}
}

static void
a_repository_is_read_with_care(void **state)
{
	static const char *const bad[] = {
		"{\"full_name\":\"o/r/x\",\"private\":false}",
		"{\"full_name\":\"o\",\"private\":false}",
		"{\"full_name\":\"o/..\",\"private\":false}",
		"{\"full_name\":\"o/r?x\",\"private\":false}",
		"{\"full_name\":\"/r\",\"private\":false}",
		"{\"full_name\":\"o/r\"}",
		"{\"full_name\":\"o/r\",\"private\":\"no\"}",
	};
	const char *good =
	    "{\"full_name\":\"o/r.x\",\"private\":true,\"archived\":true,"
	    "\"disabled\":false,\"default_branch\":\"main\","
	    "\"permissions\":{\"push\":true,\"admin\":false}}";
	const char *least = "{\"full_name\":\"o/r\",\"private\":false,"
			    "\"default_branch\":\"a..b\"}";
	struct host_repo r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(read_repo(&r, good, strlen(good), &e), 0);
	assert_string_equal(r.owner, "o");
	assert_string_equal(r.name, "r.x");
	assert_string_equal(r.default_branch, "main");
	assert_true(r.is_private && r.archived && r.may_push);
	assert_false(r.disabled || r.may_admin);
	/* What is not said is not allowed. */
	assert_int_equal(read_repo(&r, least, strlen(least), &e), 0);
	assert_false(r.is_private || r.may_push || r.may_admin);
	assert_string_equal(r.default_branch, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_repo(&r, bad[i], strlen(bad[i]), &e) != -1)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.kind, ERR_BROKEN);
	}
}

static void
a_ref_is_the_one_asked_for(void **state)
{
	static const char *const bad[] = {
		"{\"ref\":\"refs/heads/main2\",\"object\":{\"sha\":\"" SHA
		"\"}}",
		"[{\"ref\":\"refs/heads/main\",\"object\":{\"sha\":\"" SHA
		"\"}}]",
		"{\"ref\":\"refs/heads/main\",\"object\":{\"sha\":\"0123\"}}",
		"{\"ref\":\"refs/heads/main\",\"object\":{\"sha\":\"" SHA
		"x\"}}",
		"{\"ref\":\"refs/heads/main\"}",
	};
	const char *good =
	    "{\"ref\":\"refs/heads/main\",\"object\":{\"sha\":\"" SHA "\"}}";
	struct host_ref ref;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(read_ref(&ref, "main", good, strlen(good), &e), 0);
	assert_true(ref.found);
	assert_string_equal(ref.sha, SHA);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_ref(&ref, "main", bad[i], strlen(bad[i]), &e) != -1)
			fail_msg("%s", bad[i]);
		assert_false(ref.found);
	}
}

static void
the_wished_pull_request_is_picked(void **state)
{
	static const struct {
		const char *json;
		int64_t number; /* 0: none; -1: broken */
		enum host_pull_state state;
	} cases[] = {
		{ "[]", 0, 0 },
		{ "[" PULL(1, "open", "o:b", "main") "]", 1, HOST_PULL_OPEN },
		{ "[" PULL(1, "open", "O:b", "main") "]", 1, HOST_PULL_OPEN },
		{ "[" PULL(3, "closed", "o:b", "main") "," PULL(2, "closed",
		      "o:b", "main") "]",
		    3, HOST_PULL_CLOSED },
		{ "[" PULL(3, "closed", "o:b", "main") "," PULL(2, "open",
		      "o:b", "main") "]",
		    2, HOST_PULL_OPEN },
		/* A filter that GitHub dropped. */
		{ "[" PULL(4, "open", "o:B", "main") "," PULL(3, "open", "p:b",
		      "main") "," PULL(2, "open", "o:b", "dev") "]",
		    0, 0 },
		{ "{}", -1, 0 },
		{ "[", -1, 0 },
		{ "[7,null]", 0, 0 },
		{ "],\"list\":[", -1, 0 },
		{ "[" PULL(-1, "open", "o:b", "main") "]", -1, 0 },
	};
	struct host_pull_wish w = { .head = "b", .base = "main" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct host_pull p;
		struct err e = { 0 };
		int rc = read_pulls(&p, "o", &w, cases[i].json,
		    strlen(cases[i].json), &e);

		if (rc != (cases[i].number == -1 ? -1 : 0))
			fail_msg("%zu: %s", i, e.text);
		if (rc == -1)
			continue;
		assert_int_equal(p.number, cases[i].number);
		assert_true(p.found == (cases[i].number != 0));
		assert_int_equal(p.state, cases[i].state);
	}
}

static void
a_pull_request_has_an_address_for_browsers(void **state)
{
	static const char *const bad[] = { "javascript:alert(1)", "",
		"https://a b", "https://x\\\"onclick=", "ftp://x/", "//x" };
	const char *good = PULL(12, "open", "o:b", "main");
	char json[1000];
	struct host_pull p;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(read_pull(&p, good, strlen(good), &e), 0);
	assert_int_equal(p.number, 12);
	assert_string_equal(p.url, "https://github.com/o/r/pull/12");
	assert_string_equal(p.head_sha, SHA);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(json, sizeof(json),
		    "{\"number\":1,\"state\":\"open\",\"html_url\":\"%s\","
		    "\"head\":{\"sha\":\"" SHA "\"}}",
		    bad[i]);
		if (read_pull(&p, json, strlen(json), &e) != -1)
			fail_msg("%s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_viewer_has_a_login),
		cmocka_unit_test(a_repository_is_read_with_care),
		cmocka_unit_test(a_ref_is_the_one_asked_for),
		cmocka_unit_test(the_wished_pull_request_is_picked),
		cmocka_unit_test(a_pull_request_has_an_address_for_browsers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
