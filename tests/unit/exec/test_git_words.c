#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/git_words.h"

/* As git 2.39 and GitHub print them; failure NULL: worth another try. */
static const struct {
	const char *said, *failure;
} rows[] = {
	{ "fatal: unable to access 'https://h/o/r/': Failed to connect to h "
	  "port 443 after 0 ms: Couldn't connect to server",
	    NULL },
	{ "fatal: unable to access 'https://h/': Could not resolve host: h",
	    NULL },
	{ "fatal: unable to access 'https://h/': The requested URL returned "
	  "error: 503",
	    NULL },
	{ "fatal: unable to access 'https://h/': The requested URL returned "
	  "error: 429",
	    NULL },
	{ "error: RPC failed; HTTP 503 curl 22 The requested URL returned "
	  "error: 503\nfatal: expected flush after ref listing",
	    NULL },
	{ "error: RPC failed; curl 52 Empty reply from server\n"
	  "send-pack: unexpected disconnect while reading sideband packet\n"
	  "fatal: the remote end hung up unexpectedly",
	    NULL },
	{ "fatal: the remote end hung up unexpectedly", NULL },
	{ "fatal: early EOF", NULL },
	/* Of these no other try gets more than an answer of the same kind. */
	{ "error: RPC failed; HTTP 413 curl 22 The requested URL returned "
	  "error: 413\nfatal: the remote end hung up unexpectedly",
	    "too_large" },
	{ "remote: fatal: pack exceeds maximum allowed size (2.00 GiB)\n"
	  "fatal: the remote end hung up unexpectedly",
	    "too_large" },
	{ "remote: Permission to o/r.git denied to u.\nfatal: unable to access "
	  "'https://h/': The requested URL returned error: 403",
	    "github_auth" },
	{ "remote: Repository not found.\nfatal: repository 'x' not found",
	    "repo_access" },
	{ "fatal: unable to access 'https://h/': SSL certificate problem: "
	  "unable to get local issuer certificate",
	    "network" },
};

static void
words_mean_what_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct git_meaning *m = git_meaning_of(rows[i].said);

		assert_non_null(m);
		if (rows[i].failure == NULL)
			assert_null(m->failure);
		else
			assert_string_equal(m->failure, rows[i].failure);
	}
	assert_null(git_meaning_of(""));
	assert_null(git_meaning_of("remote: error: GH006: Protected branch"));
}

static void
a_machine_without_room_is_no_host_that_refuses(void **state)
{
	(void)state;
	assert_true(git_could_not_fork(
	    "error: cannot fork() for git-remote-https: Resource temporarily "
	    "unavailable"));
	assert_false(git_could_not_fork("fatal: early EOF"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_mean_what_the_table_says),
		cmocka_unit_test(
		    a_machine_without_room_is_no_host_that_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
