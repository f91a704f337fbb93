#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "github/classify.h"
#include "github/github.h"

#define NOW_S 1000000

struct row {
	int status, retry_after_s;
	const char *sso, *remaining, *reset, *body;
	enum host_outcome outcome;
	int wait_s;
	const char *message;
};

/* clang-format off */
static const struct row rows[] = {
	{ 401, -1, "", "", "", "{\"message\":\"Bad credentials\"}",
	    HOST_BAD_TOKEN, -1, "Bad credentials" },
	{ 403, -1, "", "", "",
	    "{\"message\":\"Resource not accessible by personal access token\"}",
	    HOST_NO_PERMISSION, -1,
	    "Resource not accessible by personal access token" },
	{ 403, -1, "", "", "", "{\"message\":\"Must have admin rights\"}",
	    HOST_FORBIDDEN, -1, "Must have admin rights" },
	{ 403, -1, "required; url=https://github.com/orgs/o/sso?x", "", "",
	    "{\"message\":\"Resource protected by organization SAML "
	    "enforcement.\"}", HOST_SSO, -1,
	    "Resource protected by organization SAML enforcement." },
	{ 403, -1, "required; url=x", "", "", "{}", HOST_SSO, -1, "" },
	/* A list that single sign-on shortened is no refusal. */
	{ 403, -1, "partial-results; organizations=1", "", "", "{}",
	    HOST_FORBIDDEN, -1, "" },
	/* The first limit: by headers, the wait from the reset. */
	{ 403, -1, "", "0", "1000120",
	    "{\"message\":\"API rate limit exceeded for user ID 1.\"}",
	    HOST_RATE_LIMIT, 120, "API rate limit exceeded for user ID 1." },
	{ 403, -1, "", "0", "999", "{}", HOST_RATE_LIMIT, WAIT_MIN_S, "" },
	{ 403, -1, "", "0", "99999999999", "{}", HOST_RATE_LIMIT, WAIT_MAX_S,
	    "" },
	{ 429, -1, "", "0", "junk", "", HOST_RATE_LIMIT, WAIT_UNSAID_S, "" },
	{ 429, 7, "", "0", "1000120", "", HOST_RATE_LIMIT, 7, "" },
	{ 429, 0, "", "", "", "", HOST_RATE_LIMIT, WAIT_MIN_S, "" },
	{ 429, INT32_MAX, "", "", "", "", HOST_RATE_LIMIT, WAIT_MAX_S, "" },
	/* The second: by words, or by Retry-After alone. */
	{ 403, -1, "", "4999", "1000120",
	    "{\"message\":\"You have exceeded a secondary rate limit.\"}",
	    HOST_RATE_LIMIT, WAIT_UNSAID_S,
	    "You have exceeded a secondary rate limit." },
	{ 403, 30, "", "4999", "", "{\"message\":\"Slow down\"}",
	    HOST_RATE_LIMIT, 30, "Slow down" },
	/* But a used-up limit does not hide a reason that is plain. */
	{ 403, -1, "", "0", "1000120",
	    "{\"message\":\"Repository was archived so is read-only.\"}",
	    HOST_ARCHIVED, -1, "Repository was archived so is read-only." },
	{ 403, -1, "", "", "", "{\"message\":\"Repository access blocked\"}",
	    HOST_BLOCKED, -1, "Repository access blocked" },
	{ 451, -1, "", "", "", "{\"message\":\"Repository access blocked\"}",
	    HOST_BLOCKED, -1, "Repository access blocked" },
	{ 404, -1, "", "0", "1000120", "{\"message\":\"Not Found\"}",
	    HOST_NOT_FOUND, -1, "Not Found" },
	{ 409, -1, "", "", "", "{\"message\":\"Git Repository is empty.\"}",
	    HOST_CONFLICT, -1, "Git Repository is empty." },
	{ 422, -1, "", "", "",
	    "{\"message\":\"Validation Failed\",\"errors\":[{\"resource\":"
	    "\"PullRequest\",\"code\":\"custom\",\"message\":\"A pull request "
	    "already exists for o:b.\"}]}", HOST_INVALID, -1,
	    "Validation Failed: A pull request already exists for o:b." },
	{ 422, -1, "", "", "",
	    "{\"message\":\"Validation Failed\",\"errors\":[{\"resource\":"
	    "\"PullRequest\",\"field\":\"base\",\"code\":\"invalid\"},\"x\"]}",
	    HOST_INVALID, -1, "Validation Failed: base is invalid; x" },
	{ 422, -1, "", "", "",
	    "{\"message\":\"Validation Failed\",\"errors\":\"why\"}",
	    HOST_INVALID, -1, "Validation Failed: why" },
	{ 422, -1, "", "", "",
	    "{\"message\":\"Repository rule violations found\"}",
	    HOST_PROTECTED, -1, "Repository rule violations found" },
	{ 400, -1, "", "", "", "{\"message\":\"Problems parsing JSON\"}",
	    HOST_INVALID, -1, "Problems parsing JSON" },
	/* Answers of machines in between, and of faults. */
	{ 500, -1, "", "", "", "<html>", HOST_UNREACHABLE, -1, "" },
	{ 502, -1, "", "", "", "{\"message\":\"Server Error\"}",
	    HOST_UNREACHABLE, -1, "Server Error" },
	{ 503, 20, "", "", "", "", HOST_UNREACHABLE, 20, "" },
	{ 502, -1, "", "", "", "{\"message\":\"protected branch\"}",
	    HOST_UNREACHABLE, -1, "protected branch" },
	{ 408, -1, "", "", "", "", HOST_TIMEOUT, -1, "" },
	{ 204, -1, "", "", "", "", HOST_BROKEN, -1, "" },
	{ 301, -1, "", "", "", "{\"message\":\"Moved Permanently\"}",
	    HOST_CONFLICT, -1, "Moved Permanently" },
	{ 302, -1, "", "", "", "<html>", HOST_BROKEN, -1, "" },
	{ 418, -1, "", "", "", "[]", HOST_BROKEN, -1, "" },
	/* What is said may be anything; what is kept is one line. */
	{ 401, -1, "", "", "", "{\"message\":\"a\\nb\\u001b[1m\\u007f\"}",
	    HOST_BAD_TOKEN, -1, "a b [1m " },
	{ 401, -1, "", "", "", "{\"message\":7}", HOST_BAD_TOKEN, -1, "" },
	{ 401, -1, "", "", "", "{\"message\":\"x\",\"message\":\"y\"}",
	    HOST_BAD_TOKEN, -1, "" },
};
/* clang-format on */

static void
each_refusal_has_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *w = &rows[i];
		struct refusal r = { .status = w->status,
			.retry_after_s = w->retry_after_s,
			.sso = w->sso,
			.remaining = w->remaining,
			.reset = w->reset,
			.body = w->body,
			.len = strlen(w->body),
			.now_s = NOW_S };
		struct host_failure f;

		classify(&r, &f);
		if (f.outcome != w->outcome || f.retry_after_s != w->wait_s ||
		    strcmp(f.message, w->message) != 0 || f.status != w->status)
			fail_msg("row %zu: %s, %d s, \"%s\"", i,
			    host_outcome_name(f.outcome), f.retry_after_s,
			    f.message);
	}
}

static void
a_message_is_cut_between_characters(void **state)
{
	char text[3 * HOST_MESSAGE_MAX + 2];
	struct host_failure f;
	size_t len = 1;

	(void)state;
	text[0] = 'a';
	while (len + 3 <= sizeof(text)) {
		memcpy(text + len, "\xe2\x82\xac", 3);
		len += 3;
	}
	classify_message(&f, text, len);
	assert_int_equal(strlen(f.message), HOST_MESSAGE_MAX / 3 * 3 - 2 + 3);
	assert_memory_equal(f.message, text, strlen(f.message));
	classify_message(&f, "\xff", 1);
	assert_string_equal(f.message, "\xef\xbf\xbd");
	classify_message(&f, "", 0);
	assert_string_equal(f.message, "");
}

static void
that_a_pull_request_exists_is_told_apart(void **state)
{
	struct host_failure f = { .status = 422,
		.message = "Validation Failed: A pull request already exists "
			   "for o:b." };

	(void)state;
	assert_true(classify_says_exists(&f));
	f.status = 403;
	assert_false(classify_says_exists(&f));
	f.status = 422;
	(void)snprintf(f.message, sizeof(f.message),
	    "Validation Failed: No commits between main and b");
	assert_false(classify_says_exists(&f));
}

static void
a_refused_push_has_a_reason(void **state)
{
	static const struct {
		const char *text;
		enum host_outcome outcome;
	} cases[] = {
		{ "remote: error: GH006: Protected branch update failed for "
		  "refs/heads/main.\n ! [remote rejected] main -> main "
		  "(protected branch hook declined)",
		    HOST_PROTECTED },
		{ "remote: error: GH013: Repository rule violations found",
		    HOST_PROTECTED },
		{ "remote: This repository was archived so it is read-only.\n"
		  "fatal: unable to access 'https://github.com/o/r.git/': The "
		  "requested URL returned error: 403",
		    HOST_ARCHIVED },
		{ "remote: Permission to o/r.git denied to u.\nfatal: unable "
		  "to access: The requested URL returned error: 403",
		    HOST_NO_PERMISSION },
		{ "remote: The 'o' organization has enabled or enforced SAML "
		  "SSO.\nfatal: ... The requested URL returned error: 403",
		    HOST_SSO },
		{ "(refusing to allow a Personal Access Token to create or "
		  "update workflow `.github/workflows/x.yml` without "
		  "`workflow` scope)",
		    HOST_NO_PERMISSION },
		{ "remote: Repository not found.", HOST_NOT_FOUND },
		{ "fatal: unable to access 'https://h/': The requested URL "
		  "returned error: 301",
		    HOST_CONFLICT },
		{ " ! [rejected] a -> a (non-fast-forward)", HOST_CONFLICT },
		{ " ! [rejected] a -> a (stale info)", HOST_CONFLICT },
		{ "remote: Invalid username or token. Password authentication "
		  "is not supported for Git operations.",
		    HOST_BAD_TOKEN },
		{ "fatal: unable to access: Could not resolve host: x",
		    HOST_UNREACHABLE },
		{ "fatal: the remote end hung up unexpectedly",
		    HOST_UNREACHABLE },
		{ "remote: error: GH001: Large files detected.", HOST_INVALID },
		{ "error: RPC failed; HTTP 413 curl 22 The requested URL "
		  "returned error: 413\nfatal: the remote end hung up",
		    HOST_INVALID },
		{ "remote: fatal: pack exceeds maximum allowed size (2 GiB)\n"
		  "fatal: the remote end hung up unexpectedly",
		    HOST_INVALID },
		{ "fatal: unable to access: SSL certificate problem: expired",
		    HOST_UNREACHABLE },
		{ "something else", HOST_FORBIDDEN },
		{ "", HOST_FORBIDDEN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (github_push_refused(cases[i].text) != cases[i].outcome)
			fail_msg("\"%s\": %s", cases[i].text,
			    host_outcome_name(
				github_push_refused(cases[i].text)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_has_its_name),
		cmocka_unit_test(a_message_is_cut_between_characters),
		cmocka_unit_test(that_a_pull_request_exists_is_told_apart),
		cmocka_unit_test(a_refused_push_has_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
