/*
 * taskmill: runs AI coding tasks. This file is the table of sub-commands and
 * nothing else; each is a file in cmd/.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cmd/cmd.h"
#include "util/proc.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	bool inner; /* started by others of ours, not by people */
	const char *help;
} commands[] = {
	{ "serve", cmd_serve, false, "run everything: API workers and reaper" },
	{ "api", cmd_api, false, "one FastCGI worker, on fd 0 or --socket" },
	{ "reaper", cmd_reaper, false,
	    "claim tasks and look after their runs" },
	{ "spawner", cmd_spawner, true, "fork runners for a reaper" },
	{ "janitor", cmd_janitor, true, "end sandboxes that nobody owns" },
	{ "run", cmd_run, false,
	    "run one attempt from a spec, without a database" },
	{ "jwks", cmd_jwks, false, "fetch an identity provider's public keys" },
	{ "migrate", cmd_migrate, false, "bring the database to this version" },
	{ "keygen", cmd_keygen, false, "make the key pair that seals secrets" },
	{ "check", cmd_check, false, "say what is in force and what is wrong" },
	{ "user", cmd_user, false, "add, list, disable users; set passwords" },
	{ "import", cmd_import, false,
	    "take over what the Python back end has kept" },
	{ "token", cmd_token, false, "make or revoke tokens for a user" },
	{ "audit", cmd_audit, false,
	    "show sign-ins and changes of accounts and tokens" },
	{ "task", cmd_task, false,
	    "start, follow and cancel tasks over the API" },
	{ "sandbox", cmd_sandbox, false,
	    "list and end this deployment's cloud sandboxes" },
	{ "fault-points", cmd_fault_points, true, "list fault points" },
};

static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static void
usage(FILE *to)
{
	(void)fprintf(to,
	    "usage: taskmill COMMAND [OPTION...]\n"
	    "       taskmill COMMAND --help\n"
	    "       taskmill --version\n\ncommands:\n");
	for (size_t i = 0; i < command_count; i++)
		if (!commands[i].inner)
			(void)fprintf(to, "  %-9s %s\n", commands[i].name,
			    commands[i].help);
}

int
main(int argc, char **argv)
{
	proc_harden(); /* before any key is read; what we fork keeps it */
	if (argc < 2) {
		usage(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return EX_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("taskmill " PACKAGE_VERSION);
		return EX_OK;
	}
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr,
	    "taskmill: there is no command \"%s\"; see taskmill --help\n",
	    argv[1]);
	return EX_USAGE;
}
