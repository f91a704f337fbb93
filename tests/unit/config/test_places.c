/* Where the configuration, the state and the sockets must not lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/settings.h"
#include "util/file.h"

#define SECRET_LINE "JWT_SECRET=0123456789abcdef0123456789abcdef\n"

/*
 * The folder of a test: cfg/taskmill.conf, state/, bin/, link (to cfg) and
 * in (to state). In the lines of a test @ is its full name.
 */
static char top[] = "/tmp/taskmill-places-XXXXXX";

static void
make_folder(const char *name)
{
	struct err e = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	assert_int_equal(dir_make(path, 0700, &e), 0);
}

static void
make_link(const char *to, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	assert_int_equal(symlink(to, path), 0);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	make_folder("cfg");
	make_folder("state");
	make_folder("bin");
	make_link("cfg", "link");
	make_link("state", "in");
	return 0;
}

static int
tear_down(void **state)
{
	struct err e = { 0 };

	(void)state;
	return dir_remove(AT_FDCWD, top, &e);
}

/* Loads cfg/taskmill.conf with these lines, each @ of them being top. */
static int
load(struct config *c, const char *lines, struct err *e)
{
	struct buf b = BUF(4096);
	char path[256];
	int rc;

	buf_addf(&b, "%s", SECRET_LINE);
	for (; *lines != '\0'; lines++)
		if (*lines == '@')
			buf_addf(&b, "%s", top);
		else
			buf_add(&b, lines, 1);
	assert_true(buf_ok(&b));
	(void)snprintf(path, sizeof(path), "%s/cfg/taskmill.conf", top);
	assert_int_equal(file_replace(AT_FDCWD, path, b.data, b.len, 0600, e),
	    0);
	buf_clear(&b);
	rc = config_load(c, path, e);
	(void)unlink(path);
	return rc;
}

struct refused {
	const char *lines;
	const char *says;
};

static void
refuse_each(const struct refused *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct config c;
		struct err e = { 0 };

		if (load(&c, cases[i].lines, &e) == 0)
			fail_msg("taken: %s", cases[i].lines);
		assert_int_equal(e.kind, ERR_INVALID);
		if (strstr(e.text, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.text,
			    cases[i].says);
	}
}

#define REFUSE(cases) refuse_each(cases, sizeof(cases) / sizeof((cases)[0]))

static void
nothing_is_where_every_sandbox_looks(void **state)
{
	/* clang-format off */
	static const struct refused cases[] = {
		{ "STATE_DIR=/usr/local/var/taskmill\n", "STATE_DIR, /usr/local/var/taskmill, is below /usr" },
		{ "DB_SOCKET=/usr/../usr/x.sock\n", "DB_SOCKET" },
		{ "DB_SOCKET=@/../../usr/new/x.sock\n", "DB_SOCKET" },
		{ "LOG_FILE=/bin/log\n", "LOG_FILE, /bin/log, is below /usr" },
	};
	/* clang-format on */

	(void)state;
	REFUSE(cases);
}

static void
agents_folders_are_full_names(void **state)
{
	/* clang-format off */
	static const struct refused cases[] = {
		{ "SIMULATION_AGENT_PATH=bin\n", "has \"bin\"" },
		{ "SIMULATION_AGENT_PATH=/opt/a:/\n", "has \"/\"" },
		{ "SIMULATION_AGENT_PATH=/opt/a::/b\n", "has \"\"" },
	};
	/* clang-format on */

	(void)state;
	REFUSE(cases);
}

static void
agents_folders_show_nothing_of_ours(void **state)
{
	/* clang-format off */
	static const struct refused cases[] = {
		{ "SIMULATION_AGENT_PATH=@/cfg\n", "the configuration file is in it" },
		{ "SIMULATION_AGENT_PATH=@/bin:@/cfg/\n", "the configuration file is in it" },
		{ "SIMULATION_AGENT_PATH=@/link\n", "the configuration file is in it" },
		{ "SIMULATION_AGENT_PATH=@/bin/../cfg\n", "the configuration file is in it" },
		{ "SIMULATION_AGENT_PATH=//tmp\n", "the configuration file is in it" },
		{ "SIMULATION_AGENT_PATH=/.\n", "the configuration file is in it" },
		{ "STATE_DIR=/srv/t\nSIMULATION_AGENT_PATH=/srv\n", "STATE_DIR is in it" },
		{ "STATE_DIR=@/in\nSIMULATION_AGENT_PATH=@/state\n", "STATE_DIR is in it" },
		{ "SANDBOX_DIR=@/bin/new/box\nSIMULATION_AGENT_PATH=@/bin\n", "SANDBOX_DIR is in it" },
		{ "API_SOCKET=@/bin/api.sock\nSIMULATION_AGENT_PATH=@/bin\n", "API_SOCKET is in it" },
		{ "OUTBOUND_SOCKET=@/bin/o.sock\nSIMULATION_AGENT_PATH=@/bin\n", "OUTBOUND_SOCKET is in it" },
		{ "DB_SOCKET=@/bin/db.sock\nSIMULATION_AGENT_PATH=@/bin\n", "DB_SOCKET is in it" },
		{ "LOG_FILE=@/bin/log\nSIMULATION_AGENT_PATH=@/bin\n", "LOG_FILE is in it" },
		{ "STATE_DIR=@/state\nSIMULATION_AGENT_PATH=@/state/bin\n", "which is in STATE_DIR" },
		{ "STATE_DIR=@/state\nSIMULATION_AGENT_PATH=@/in/keys\n", "which is in STATE_DIR" },
	};
	/* clang-format on */

	(void)state;
	REFUSE(cases);
}

static void
agents_folders_beside_ours_are_taken(void **state)
{
	static const char *const cases[] = {
		"STATE_DIR=@/state\nSIMULATION_AGENT_PATH=@/bin:/usr/local/bin\n",
		"STATE_DIR=@/state\nSIMULATION_AGENT_PATH=@/state2:@/c\n",
		"STATE_DIR=@/bin2\nSIMULATION_AGENT_PATH=@/bin/\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct err e = { 0 };

		if (load(&c, cases[i], &e) == -1)
			fail_msg("%s", e.text);
		config_clear(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_where_every_sandbox_looks),
		cmocka_unit_test(agents_folders_are_full_names),
		cmocka_unit_test(agents_folders_show_nothing_of_ours),
		cmocka_unit_test(agents_folders_beside_ours_are_taken),
	};

	/* Settings of whoever runs the tests are not part of them. */
	for (size_t i = 0; i < setting_count; i++)
		(void)unsetenv(settings[i].name);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
