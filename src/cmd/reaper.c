#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "cmd/admin.h"
#include "engine/engine.h"
#include "util/encode.h"
#include "util/log.h"
#include "util/proc.h"

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

static int
reaper(const char *path, const struct engine_options *wanted, struct err *e)
{
	struct engine_options o = *wanted;
	struct config c;
	int rc = -1;

	if (encode_init(e) == -1 || config_load(&c, path, e) == -1)
		return -1;
	log_open("reaper", log_level_of(c.log_level));
	if (c.log_file[0] != '\0' && log_to_file(c.log_file, e) == -1)
		goto out;
	proc_harden();
	o.config = &c;
	rc = engine_run(&o, e);
out:
	config_clear(&c);
	return rc;
}

static bool
read_fd(const char *text, int *fd)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 0 || n > 1000000)
		return false;
	*fd = (int)n;
	return true;
}

int
cmd_reaper(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "lifeline", required_argument, NULL, 'l' },
		{ "once", no_argument, NULL, 'o' },
		{ "drain", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct engine_options o = { .lifeline = -1 };
	const char *config = NULL;
	struct err e = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			(void)fputs(usage, stdout);
			return EX_OK;
		case 'c':
			config = optarg;
			break;
		case 'l':
			if (!read_fd(optarg, &o.lifeline))
				return cmd_usage(usage);
			break;
		case 'o':
			o.once = true;
			break;
		case 'd':
			o.drain = true;
			break;
		default:
			return cmd_usage(usage);
		}
	}
	if (optind != argc || (o.once && o.drain))
		return cmd_usage(usage);
	if (reaper(config, &o, &e) == 0)
		return EX_OK;
	/* A second reaper: there is nothing wrong with the first. */
	(void)cmd_fail("reaper", &e);
	return e.kind == ERR_CONFLICT ? EX_TEMPFAIL
	    : e.kind == ERR_INVALID   ? EX_CONFIG
				      : EX_SOFTWARE;
}
