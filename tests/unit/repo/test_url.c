#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "repo/url.h"
#include "util/utf8.h"

static const struct repo_policy github = { "github.com", false };
static const struct repo_policy more = {
	"github.com , git.example.org:8443,localhost:8080,plain.example", true
};

static void
good_urls_are_read(void **state)
{
	static const struct {
		const struct repo_policy *policy;
		const char *text, *host, *owner, *name, *clone;
	} cases[] = {
		{ &github, "https://github.com/o/r", "github.com", "o", "r",
		    "https://github.com/o/r.git" },
		{ &github, "https://github.com/o/r.git", "github.com", "o", "r",
		    "https://github.com/o/r.git" },
		{ &github, "https://github.com/o/r/", "github.com", "o", "r",
		    "https://github.com/o/r.git" },
		{ &github, " \thttps://github.com/o/r.git/ \r\n", "github.com",
		    "o", "r", "https://github.com/o/r.git" },
		{ &github, "git@github.com:o/r.git", "github.com", "o", "r",
		    "https://github.com/o/r.git" },
		{ &github, "git@GitHub.com:O/R", "github.com", "O", "R",
		    "https://github.com/O/R.git" },
		{ &github, "https://GITHUB.COM/a.b/_c-d", "github.com", "a.b",
		    "_c-d", "https://github.com/a.b/_c-d.git" },
		{ &github, "https://github.com:443/o/r", "github.com", "o", "r",
		    "https://github.com/o/r.git" },
		{ &github, "https://github.com/o/.github", "github.com", "o",
		    ".github", "https://github.com/o/.github.git" },
		{ &github, "https://github.com/o/...", "github.com", "o", "...",
		    "https://github.com/o/....git" },
		{ &more, "https://git.example.org:8443/o/r",
		    "git.example.org:8443", "o", "r",
		    "https://git.example.org:8443/o/r.git" },
		{ &more, "http://localhost:8080/o/r", "localhost:8080", "o",
		    "r", "http://localhost:8080/o/r.git" },
		{ &more, "http://plain.example:80/o/r", "plain.example", "o",
		    "r", "http://plain.example/o/r.git" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct repo_url u;
		struct err e = { 0 };

		if (repo_url_read(&u, cases[i].text, cases[i].policy, &e) != 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		assert_string_equal(u.host, cases[i].host);
		assert_string_equal(u.owner, cases[i].owner);
		assert_string_equal(u.name, cases[i].name);
		assert_string_equal(u.clone, cases[i].clone);
		assert_non_null(strstr(cases[i].text, u.stored));
		assert_null(strpbrk(u.stored, " \t\r\n"));
	}
}

static void
hostile_urls_are_refused(void **state)
{
	static const char *const texts[] = { "", " ", "x", "https://",
		"https://github.com", "https://github.com/",
		"https://github.com/o", "https://github.com/o/",
		"https://github.com/o//", "https://github.com//r",
		"https://github.com/o/r//", "https://github.com/o/r/tree/main",
		"https://github.com/./r", "https://github.com/../r",
		"https://github.com/o/.", "https://github.com/o/..",
		"https://github.com/o/../r", "https://github.com/o/..git",
		"https://github.com/-o/r", "https://github.com/o/-r",
		"https://github.com/o/--upload-pack=x",
		"https://github.com/o/r?x", "https://github.com/o/r#x",
		"https://github.com/o/r%2e", "https://github.com/%6f/r",
		"https://github.com/o/r r", "https://github.com/o/r\tx",
		"https://github.com/o/r\nx", "https://github.com/o/r\\x",
		"https://github.com/o/r;id", "https://github.com/o/$(id)",
		"https://github.com/o/\xc3\xa9",
		/* hosts as parsers like to misread them (U10) */
		"https://github.com\\@evil.com/o/r",
		"https://github.com@evil.com/o/r",
		"https://user@github.com/o/r", "https://u:p@github.com/o/r",
		"https:///github.com/o/r", "https:/github.com/o/r",
		"https:github.com/o/r", "//github.com/o/r", "github.com/o/r",
		"https://github.com./o/r", "https://.github.com/o/r",
		"https://git..hub.com/o/r", "https://-github.com/o/r",
		"https://github.com-/o/r", "https://github-.com/o/r",
		"https://github.com:/o/r", "https://github.com:0/o/r",
		"https://github.com:0443/o/r", "https://github.com:65536/o/r",
		"https://github.com:443x/o/r", "https://github.com:443:1/o/r",
		"https://[::1]/o/r", "https://github%2ecom/o/r",
		"https://git\xe2\x80\x8bhub.com/o/r",
		/* other transports, and options (R4) */
		"http://github.com/o/r", "HTTPS://github.com/o/r",
		"ssh://git@github.com/o/r", "git://github.com/o/r",
		"file:///etc/passwd", "/etc/passwd", "../x", "ext::sh -c id",
		"ext::sh -c id% https://github.com/o/r", "fd::17",
		"--upload-pack=id", "-https://github.com/o/r",
		"git@github.com/o/r", "git@github.com:22/o/r",
		"git@github.com:/o/r", "git@github.com:o",
		"git@github.com:o/r/", "git@github.com:o/..",
		"git@-oProxyCommand=id:o/r", "git@git@github.com:o/r",
		"root@github.com:o/r", "git@github.com:-o/r", "git@:o/r" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct repo_url u;
		struct err e = { 0 };

		if (repo_url_read(&u, texts[i], &github, &e) != -1)
			fail_msg("taken: %s", texts[i]);
		if (e.kind != ERR_INVALID ||
		    strncmp(e.text, "Invalid GitHub URL format: ", 27) != 0)
			fail_msg("%s: %s", texts[i], e.text);
	}
}

static void
other_hosts_are_refused_by_name(void **state)
{
	static const char *const texts[] = { "https://gitlab.com/o/r",
		"https://evil-github.com/o/r", "https://github.com.evil/o/r",
		"https://github.co/o/r", "https://hub.com/o/r",
		"https://127.0.0.1/o/r", "https://2130706433/o/r",
		"https://0x7f.1/o/r", "https://localhost/o/r",
		"https://github.com:8443/o/r", "git@gitlab.com:o/r",
		"https://com/o/r" };
	const struct repo_policy nobody = { "", false };
	const struct repo_policy none = { NULL, false };
	struct repo_url u;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (repo_url_read(&u, texts[i], &github, &e) != -1)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_non_null(strstr(e.text, "Invalid GitHub URL format: "));
	}
	assert_int_equal(
	    repo_url_read(&u, "https://github.com/o/r", &nobody, &e), -1);
	assert_int_equal(repo_url_read(&u, "https://github.com/o/r", &none, &e),
	    -1);
	/* A port in the list is meant, and so is its absence. */
	assert_int_equal(
	    repo_url_read(&u, "https://git.example.org/o/r", &more, &e), -1);
}

static void
lengths_have_ends(void **state)
{
	char text[800], name[300];
	struct repo_url u;
	struct err e = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name));
	for (int len = 99; len <= 102; len++) {
		(void)snprintf(text, sizeof(text),
		    "https://github.com/%.*s/%.*s", len, name, len, name);
		assert_int_equal(repo_url_read(&u, text, &github, &e),
		    len <= REPO_NAME_MAX ? 0 : -1);
	}
	(void)snprintf(text, sizeof(text), "https://%.*s.com/o/r", 64, name);
	assert_int_equal(repo_url_read(&u, text, &github, &e), -1);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(repo_url_read(&u, text, &github, &e), -1);
	assert_int_equal(strlen(e.text), 27 + 200);
}

/* The text goes into an answer and a log. */
static void
a_refusal_is_clean_text(void **state)
{
	char text[400] = "\x1b[31m\xff\xc3";
	struct repo_url u;
	struct err e = { 0 };

	(void)state;
	for (size_t pad = 0; pad < 8; pad++) {
		size_t len = 10 + pad;

		memset(text + 7, 'y', pad + 3);
		while (len < 380) {
			memcpy(text + len, "\xe2\x82\xac", 4);
			len += 3;
		}
		assert_int_equal(repo_url_read(&u, text, &github, &e), -1);
		assert_true(utf8_valid(e.text, strlen(e.text)));
		assert_true(strlen(e.text) <= 27 + 200);
		assert_null(strchr(e.text, '\x1b'));
	}
}

static void
a_credential_is_bound_to_its_origin(void **state)
{
	char out[REPO_HOST_MAX + 20];
	struct repo_url u;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(repo_url_read(&u, "git@github.com:o/r", &github, &e),
	    0);
	repo_url_origin(&u, out);
	assert_string_equal(out, "https://github.com/");
	assert_int_equal(
	    repo_url_read(&u, "http://localhost:8080/o/r", &more, &e), 0);
	repo_url_origin(&u, out);
	assert_string_equal(out, "http://localhost:8080/");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls_are_read),
		cmocka_unit_test(hostile_urls_are_refused),
		cmocka_unit_test(other_hosts_are_refused_by_name),
		cmocka_unit_test(lengths_have_ends),
		cmocka_unit_test(a_refusal_is_clean_text),
		cmocka_unit_test(a_credential_is_bound_to_its_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
