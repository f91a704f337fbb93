#include "cmd/cmd.h"

#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "cmd/options.h"
#include "engine/engine.h"
#include "util/encode.h"
#include "util/log.h"

static const char usage[] =
    "usage: taskmill reaper [--once | --drain] [--config FILE]\n"
    "                       [--lifeline FD]\n\n"
    "Takes pending tasks, has them run, and brings their results into the\n"
    "database. taskmill serve starts it; by itself it suits a service manager\n"
    "or, with --once, cron. A machine (STATE_DIR) has one reaper.\n\n"
    "  --once         leave when no task is pending and none runs here\n"
    "  --drain        take no new task; leave when none runs here\n"
    "  --lifeline FD  leave when this descriptor comes to its end\n\n"
    "SIGTERM stops it; what runs goes on, and the next reaper looks after it.\n"
    "SIGUSR1 opens the log file again.\n";

struct reaper_args {
	const char *config;
	int lifeline; /* -1: none */
	bool once, drain;
};

static int
reaper(const struct reaper_args *args, struct err *e)
{
	struct config c;
	const struct engine_options o = {
		.config = &c,
		.lifeline = args->lifeline,
		.once = args->once,
		.drain = args->drain,
	};
	int rc = -1;

	if (encode_init(e) == -1 || config_load(&c, args->config, e) == -1)
		return -1;
	log_open("reaper", log_level_of(c.log_level));
	if ((c.log_file[0] != '\0' && log_to_file(c.log_file, e) == -1) ||
	    service_check_schema(&c, e) == -1)
		goto out;
	rc = engine_run(&o, e);
out:
	config_clear(&c);
	return rc;
}

#define AT(field) offsetof(struct reaper_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "lifeline", OPTION_FD, AT(lifeline), 0, 0, 0 },
	{ "once", OPTION_FLAG, AT(once), 0, 0, 0 },
	{ "drain", OPTION_FLAG, AT(drain), 0, 0, 0 },
};

int
cmd_reaper(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct reaper_args args = { .lifeline = -1 };
	struct err e = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	if (args.once && args.drain)
		return cmd_usage(usage);
	if (reaper(&args, &e) == 0)
		return EX_OK;
	/* A second reaper: there is nothing wrong with the first. */
	(void)cmd_fail("reaper", &e);
	return e.kind == ERR_CONFLICT ? EX_TEMPFAIL
	    : e.kind == ERR_INVALID   ? EX_CONFIG
				      : EX_SOFTWARE;
}
