#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/branch.h"
#include "util/proc.h"

#define GIT "/usr/bin/git"
#define LIMIT_MS 60000

static const char *const good[] = { "main", "a", "feature/x", "v1.2.3", "a_b-c",
	"a/-b", "refs/heads/x", "x.locked", "lock", "a.lockx/b", "head",
	"HEAD/x", "0", "_", "a-", "0123456789012345678901234567890123456789" };

static const char *const bad[] = { "", "-", "-x", "--upload-pack=x", "/a", "a/",
	"a//b", "~a", ".a", "a.", "..", ".", "a..b", "a/../b", "a/.b", "a/.",
	"a.lock", "a.lock/b", ".lock", "HEAD", "@", "@{-1}", "a@{b", "a b",
	"a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a\nb", "a\x7f",
	"a\xc3\xa9", "$(id)", "`id`", "a;b", "a|b", "a'b", "a\"b", "a&b",
	"a%2e" };

static void
names_are_valid_or_not(void **state)
{
	char longest[BRANCH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!branch_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (branch_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_false(branch_valid(NULL));
	memset(longest, 'a', sizeof(longest));
	longest[BRANCH_MAX] = '\0';
	assert_true(branch_valid(longest));
	longest[BRANCH_MAX] = 'a';
	longest[BRANCH_MAX + 1] = '\0';
	assert_false(branch_valid(longest));
}

/* True if git takes it as well (R4: this form of the call, not refs/heads). */
static bool
git_takes(const char *name)
{
	const char *argv[] = { GIT, "check-ref-format", "--branch", name,
		NULL };
	const struct proc_spec spec = { .argv = argv, .cwd = "/" };
	struct proc p = { 0 };
	struct proc_end end = { 0 };
	struct err e = { 0 };

	if (proc_spawn(&p, &spec, &e) == -1)
		fail_msg("%s", e.text);
	assert_int_equal(proc_wait(&p, LIMIT_MS, &end, &e), 1);
	proc_forget(&p);
	return end.code == 0;
}

/* Names made of the pieces that rules are about, the seed always the same. */
static void
what_passes_here_passes_git(void **state)
{
	static const char *const pieces[] = { "a", "B", "-", "_", ".", "/",
		".lock", "HEAD", "0", "x", "main", "..", "//", "@", "~" };
	const size_t n = sizeof(pieces) / sizeof(pieces[0]);
	unsigned int taken = 0;

	(void)state;
	srandom(1);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(git_takes(good[i]));
	for (int i = 0; i < 100000 && taken < 150; i++) {
		char name[64] = "";
		size_t len = 0;

		for (long k = 1 + random() % 6; k > 0; k--)
			len += (size_t)snprintf(name + len, sizeof(name) - len,
			    "%s", pieces[(size_t)random() % n]);
		if (!branch_valid(name))
			continue;
		taken++;
		if (!git_takes(name))
			fail_msg("git refuses %s", name);
	}
	assert_int_equal(taken, 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_valid_or_not),
		cmocka_unit_test(what_passes_here_passes_git),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
