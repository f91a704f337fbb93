#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/settings.h"

#define SECRET_LINE "JWT_SECRET=0123456789abcdef0123456789abcdef\n"

/* Loads a file with this text, under an empty environment. */
static int
load(struct config *c, const char *text, struct err *e)
{
	char path[] = "/tmp/taskmill-test-XXXXXX";
	int fd = mkstemp(path);
	int rc;

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	rc = config_load(c, path, e);
	(void)unlink(path);
	return rc;
}

static void
a_secret_is_all_that_must_be_given(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(load(&c, SECRET_LINE, &e), 0);
	assert_int_equal(c.api_workers, 4);
	assert_string_equal(c.db_name, "taskmill");
	assert_string_equal(c.repo_allowed_hosts, "github.com");
	assert_string_equal(config_mode(&c), "simulation");
	assert_non_null(strstr(c.sandbox_dir, "/box"));
	assert_non_null(strstr(c.api_socket, "/api.sock"));
	config_clear(&c);
}

static void
every_default_is_within_its_own_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < setting_count; i++) {
		struct config c = { 0 };
		struct err e = { 0 };

		if (settings[i].kind == SETTING_SECRET)
			continue;
		assert_int_equal(
		    setting_put(&c, &settings[i], settings[i].def, &e), 0);
		setting_clear(&c, &settings[i]);
	}
}

static void
every_setting_has_its_own_name_and_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < setting_count; i++)
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(settings[i].name,
			    settings[k].name);
			assert_int_not_equal(settings[i].at, settings[k].at);
		}
}

static void
what_is_wrong_is_named(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ "", "JWT_SECRET is not set" },
		{ "JWT_SECRET=short\n", "JWT_SECRET has 5 bytes" },
		{ SECRET_LINE "API_WORKERS=0\n", "API_WORKERS=0 is not a number from 1 to 64" },
		{ SECRET_LINE "API_WORKERS=65\n", "API_WORKERS=65" },
		{ SECRET_LINE "API_WORKERS=4x\n", "API_WORKERS=4x" },
		{ SECRET_LINE "API_WORKERS=\n", "API_WORKERS=" },
		{ SECRET_LINE "API_WORKERS=99999999999999999999\n", "API_WORKERS" },
		{ SECRET_LINE "APIWORKERS=3\n", "line 2: there is no setting APIWORKERS" },
		{ SECRET_LINE "DB_PORT=1\nDB_PORT=2\n", "line 3: DB_PORT stands here again" },
		{ SECRET_LINE "nonsense\n", "line 2: is not KEY=value" },
		{ SECRET_LINE "LOG_LEVEL=loud\n", "LOG_LEVEL=loud is none of: error warn info debug" },
		{ SECRET_LINE "REPO_ALLOW_HTTP=maybe\n", "neither yes nor no" },
		{ SECRET_LINE "JWT_ALGORITHM=none\n", "JWT_ALGORITHM=none" },
		{ SECRET_LINE "LEASE_S=30\n", "RENEW_S=10 is too long for LEASE_S=30" },
		{ SECRET_LINE "SANDBOX_LIFE_S=60\n", "SANDBOX_LIFE_S=60 is shorter" },
		{ SECRET_LINE "SANDBOX_LIFE_S=539\n", "COMMAND_TIMEOUT_S = 540" },
		{ SECRET_LINE "STATE_DIR=var\n", "STATE_DIR=var is not an absolute path" },
		{ SECRET_LINE "RETRY_DELAYS_S=5,,1\n", "RETRY_DELAYS_S" },
		{ SECRET_LINE "DB_HOST=db.example.com\n", "DB_CA_FILE is not set" },
		{ SECRET_LINE "E2B_API_URL=http://example.com\n", "must begin with https" },
		{ SECRET_LINE "E2B_SANDBOX_URL=http://localhost.example.com\n", "E2B_ALLOW_HTTP=yes" },
		{ SECRET_LINE "E2B_ALLOW_HTTP=yes\nE2B_API_URL=ftp://example.com\n", "must begin with https" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct err e = { 0 };

		assert_int_equal(load(&c, cases[i].text, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		if (strstr(e.text, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.text,
			    cases[i].says);
		/* A failed load leaves nothing to free. */
		assert_null(c.db_name);
	}
}

static void
http_to_other_machines_is_allowed_by_name(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(load(&c,
			     SECRET_LINE "E2B_ALLOW_HTTP=yes\n"
					 "E2B_API_URL=http://example.com\n"
					 "E2B_SANDBOX_URL=http://example.com\n",
			     &e),
	    0);
	assert_true(c.e2b_allow_http);
	config_clear(&c);
}

static void
a_secret_is_in_no_message_and_no_printout(void **state)
{
	struct config c;
	struct err e = { 0 };
	struct buf b = BUF(1 << 20);

	(void)state;
	assert_int_equal(load(&c, "JWT_SECRET=hush-hush\n", &e), -1);
	assert_null(strstr(e.text, "hush"));

	e = (struct err){ 0 };
	assert_int_equal(
	    load(&c, SECRET_LINE "DB_PASSWORD=hush-hush-hush\n", &e), 0);
	config_print_text(&c, &b);
	assert_true(buf_ok(&b));
	assert_null(strstr(b.data, "hush"));
	assert_null(strstr(b.data, "0123456789abcdef"));
	assert_non_null(strstr(b.data, "DB_PASSWORD=(set)"));
	buf_clear(&b);
	config_clear(&c);
}

static void
blanks_quotes_and_comments_are_as_people_write_them(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(
	    load(&c,
		"# a comment\n\n  DB_NAME = \"my db\"  \r\n" SECRET_LINE
		"\tLOG_FILE=/var/log/x#y\nDB_USER=",
		&e),
	    -1);
	assert_non_null(strstr(e.text, "DB_USER is not set"));
	e = (struct err){ 0 };
	assert_int_equal(
	    load(&c,
		"# a comment\n\n  DB_NAME = \"my db\"  \r\n" SECRET_LINE
		"\tLOG_FILE=/var/log/x#y",
		&e),
	    0);
	assert_string_equal(c.db_name, "my db");
	assert_string_equal(c.log_file, "/var/log/x#y");
	config_clear(&c);
}

static void
the_environment_overrides_the_file(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(setenv("DB_NAME", "other", 1), 0);
	assert_int_equal(load(&c, SECRET_LINE "DB_NAME=one\n", &e), 0);
	assert_string_equal(c.db_name, "other");
	config_clear(&c);
	assert_int_equal(setenv("DB_PORT", "none", 1), 0);
	assert_int_equal(load(&c, SECRET_LINE, &e), -1);
	assert_non_null(strstr(e.text, "environment: DB_PORT=none"));
	(void)unsetenv("DB_NAME");
	(void)unsetenv("DB_PORT");
}

static void
a_named_file_must_be_there(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(config_load(&c, "/nonexistent/x.conf", &e), -1);
	assert_non_null(strstr(e.text, "/nonexistent/x.conf"));
}

static void
later_tries_wait_as_the_list_says(void **state)
{
	struct config c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(load(&c, SECRET_LINE "RETRY_DELAYS_S=1,20,300\n", &e),
	    0);
	assert_int_equal(config_retry_delay_ms(&c, 0), 1000);
	assert_int_equal(config_retry_delay_ms(&c, 1), 1000);
	assert_int_equal(config_retry_delay_ms(&c, 2), 20000);
	assert_int_equal(config_retry_delay_ms(&c, 3), 300000);
	assert_int_equal(config_retry_delay_ms(&c, 9), 300000);
	config_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_all_that_must_be_given),
		cmocka_unit_test(every_default_is_within_its_own_bounds),
		cmocka_unit_test(every_setting_has_its_own_name_and_field),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(http_to_other_machines_is_allowed_by_name),
		cmocka_unit_test(a_secret_is_in_no_message_and_no_printout),
		cmocka_unit_test(
		    blanks_quotes_and_comments_are_as_people_write_them),
		cmocka_unit_test(the_environment_overrides_the_file),
		cmocka_unit_test(a_named_file_must_be_there),
		cmocka_unit_test(later_tries_wait_as_the_list_says),
	};

	/* Settings of whoever runs the tests are not part of them. */
	for (size_t i = 0; i < setting_count; i++)
		(void)unsetenv(settings[i].name);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
