#include "cmd/cmd.h"

#include <stdio.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "cmd/options.h"
#include "db/migrate.h"

static const char usage[] =
    "usage: taskmill migrate [--config FILE]\n\n"
    "Brings the database to the schema of this version: applies the files of\n"
    "SQL_DIR that it does not have yet, in their order. A second run does\n"
    "nothing; two at once wait for each other.\n";

static void
report(void *ctx, unsigned int version, const char *name)
{
	(void)ctx;
	(void)printf("applied %04u %s\n", version, name);
}

static int
migrate(const char *config, struct err *e)
{
	struct admin a;
	unsigned int applied;
	int rc = -1;

	if (admin_open(&a, config, e) == -1)
		return -1;
	if (migrate_run(a.db, a.cfg.sql_dir, &applied, report, NULL, e) == -1)
		goto out;
	if (applied == 0)
		(void)printf("nothing to do: schema %d is in place\n",
		    SCHEMA_VERSION);
	rc = 0;
out:
	admin_close(&a);
	return rc;
}

struct migrate_args {
	const char *config;
};

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, offsetof(struct migrate_args, config), 0, 0,
	    0 },
};

int
cmd_migrate(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct migrate_args args = { 0 };
	struct err e = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if (migrate(args.config, &e) == -1)
		return cmd_fail("migrate", &e);
	return EX_OK;
}
