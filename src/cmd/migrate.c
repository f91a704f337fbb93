#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "cmd/admin.h"
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

int
cmd_migrate(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct err e = { 0 };
	const char *config = NULL;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h') {
			(void)fputs(usage, stdout);
			return EX_OK;
		}
		if (o != 'c')
			return cmd_usage(usage);
		config = optarg;
	}
	if (optind != argc)
		return cmd_usage(usage);
	if (migrate(config, &e) == -1)
		return cmd_fail("migrate", &e);
	return EX_OK;
}
