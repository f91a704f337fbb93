#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "github/github.h"
#include "util/net.h"

static void
each_outcome_has_its_own_words(void **state)
{
	(void)state;
	for (int i = 0; i < HOST_OUTCOME_N; i++) {
		assert_non_null(host_text(i));
		assert_non_null(host_outcome_name(i));
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(host_text(i), host_text(k));
			assert_string_not_equal(host_outcome_name(i),
			    host_outcome_name(k));
		}
	}
	assert_string_equal(host_text(HOST_OUTCOME_N),
	    host_text(HOST_INTERNAL));
	/* The HTTP contract has this sentence (D22). */
	assert_string_equal(host_text(HOST_UNREACHABLE),
	    "GitHub is not reachable");
}

/* Where the repositories are whose API that is. */
static void
an_api_belongs_to_a_host(void **state)
{
	static const struct {
		const char *api, *host;
	} cases[] = {
		{ "https://api.github.com", "github.com" },
		{ "HTTPS://API.GitHub.com/", "github.com" },
		{ "https://api.github.com:443", "github.com" },
		{ "https://api.octo.ghe.com", "octo.ghe.com" },
		/* Enterprise Server has its API below the host's own name. */
		{ "https://ghe.example.com/api/v3", "ghe.example.com" },
		{ "https://GHE.example.com:443/api/v3/", "ghe.example.com" },
		{ "https://ghe.example.com:8443/api/v3",
		    "ghe.example.com:8443" },
		{ "https://api.example.com/api/v3", "api.example.com" },
		{ "https://api.github.com.example.org/api/v3",
		    "api.github.com.example.org" },
		{ "https://api.evilghe.com/api/v3", "api.evilghe.com" },
		{ "https://api.ghe.com", "api.ghe.com" },
		{ "https://api.a.b.ghe.com", "api.a.b.ghe.com" },
		{ "https://api.github.com:8443", "api.github.com:8443" },
		{ "http://127.0.0.1:80/api/v3", "127.0.0.1" },
		{ "http://127.0.0.1:443/api/v3", "127.0.0.1:443" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct github_options o = { .api_url = cases[i].api };
		struct github *g;
		struct code_host h;
		struct err e = { 0 };

		assert_int_equal(github_new(&g, &o, &e), 0);
		github_as_host(g, &h);
		assert_string_equal(h.repo_host, cases[i].host);
		github_free(g);
	}
}

static void
branches_need_rights_and_scopes(void **state)
{
	static const struct {
		struct host_viewer v;
		struct host_repo r;
		bool may;
	} cases[] = {
		{ { .has_scopes = false }, { .may_push = true }, true },
		{ { .has_scopes = false }, { .may_push = false }, false },
		{ { .has_scopes = false },
		    { .may_push = true, .archived = true }, false },
		{ { .has_scopes = false },
		    { .may_push = true, .disabled = true }, false },
		{ { .has_scopes = true, .scopes = "gist, repo" },
		    { .may_push = true, .is_private = true }, true },
		{ { .has_scopes = true, .scopes = "public_repo" },
		    { .may_push = true, .is_private = true }, false },
		{ { .has_scopes = true, .scopes = "public_repo" },
		    { .may_push = true }, true },
		/* Not scopes that only look like it; and none at all. */
		{ { .has_scopes = true, .scopes = "repo:status, repo_deploy" },
		    { .may_push = true }, false },
		{ { .has_scopes = true, .scopes = "" }, { .may_push = true },
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (host_may_create_branches(&cases[i].v, &cases[i].r) !=
		    cases[i].may)
			fail_msg("case %zu", i);
}

static void
an_address_is_checked_before_any_use(void **state)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
		{ NULL, true },
		{ "https://ghe.example.com/api/v3", true },
		{ "https://ghe.example.com/api/v3///", true },
		{ "HTTPS://GHE.example.com:8443", true },
		{ "http://127.0.0.1:80", true },
		{ "", false },
		{ "https://", false },
		{ "https:///x", false },
		{ "ftp://x", false },
		{ "github.com", false },
		{ "https://u@x", false },
		{ "https://x?y", false },
		{ "https://x#y", false },
		{ "https://x/%2e", false },
		{ "https://x y", false },
		{ "https://x\\@y", false },
		{ "https://x\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct github_options o = { .api_url = cases[i].url };
		struct github *g;
		struct err e = { 0 };
		int rc = github_new(&g, &o, &e);

		if (rc != (cases[i].good ? 0 : -1) ||
		    (rc == -1 && (g != NULL || e.kind != ERR_INVALID)))
			fail_msg("%s: %s", cases[i].url, e.text);
		github_free(g);
	}
}

/* Port 1 of this machine: whatever is asked, nobody answers. */
static void
what_may_not_be_sent_is_not(void **state)
{
	struct github_options o = { .api_url = "http://127.0.0.1:1",
		.timeout_ms = 2000 };
	struct host_place at = { "token", "owner", "../x" };
	struct host_pull_wish w = { "h", "b", "\xff", NULL };
	static const char *const tokens[] = { "", "a b", "a\nX: y",
		"t\xc3\xa9" };
	struct host_failure f;
	struct host_viewer v;
	struct host_repo r;
	struct host_ref ref;
	struct host_pull p;
	struct github *g;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(github_new(&g, &o, &e), 0);
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		assert_int_equal(github_viewer(g, tokens[i], &v, &f), -1);
		assert_int_equal(f.outcome, HOST_BAD_TOKEN);
	}
	assert_int_equal(github_repo(g, &at, &r, &f), -1);
	assert_int_equal(f.outcome, HOST_INTERNAL);
	at.name = "name";
	assert_int_equal(github_pull_create(g, &at, &w, &p, &f), -1);
	assert_int_equal(f.outcome, HOST_INTERNAL);
	/* No such branch can be, so nobody is asked. */
	assert_int_equal(github_branch(g, &at, "a..b", &ref, &f), 0);
	assert_false(ref.found);
	assert_int_equal(github_viewer(g, "token", &v, &f), -1);
	assert_int_equal(f.outcome, HOST_UNREACHABLE);
	assert_null(strstr(f.message, "token"));
	github_free(g);
}

static int
begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	return net_init(&e);
}

static int
end(void **state)
{
	(void)state;
	net_end();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_has_its_own_words),
		cmocka_unit_test(an_api_belongs_to_a_host),
		cmocka_unit_test(branches_need_rights_and_scopes),
		cmocka_unit_test(an_address_is_checked_before_any_use),
		cmocka_unit_test(what_may_not_be_sent_is_not),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
