#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/api_worker.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "pool/listener.h"
#include "util/notify.h"

static const char usage[] =
    "usage: taskmill api [--config FILE] [--socket PATH]\n\n"
    "One FastCGI worker. Serves on the socket that it is given as standard\n"
    "input (spawn-fcgi, mod_fcgid) or by systemd, or makes one at PATH. It\n"
    "never retires, and the reaper is not its business: see taskmill serve.\n";

static int
listen_somewhere(struct listener *l, const struct config *cfg, const char *path,
    struct err *e)
{
	int count, first;

	if (path != NULL)
		return listener_open(l, path, cfg->socket_group, e);
	first = notify_listen_fds(&count);
	if (listener_inherit(l, first >= 0 ? first : STDIN_FILENO, e) == 0)
		return 0;
	return err_wrap(e, "no --socket, and nothing inherited");
}

static int
serve(const struct config *cfg, const char *path, int *status, struct err *e)
{
	struct listener l = LISTENER_CLOSED;
	struct worker_place place = { .lifeline_fd = -1 };
	int rc = -1;

	if ((place.board = scoreboard_new(e)) == NULL)
		return -1;
	if (listen_somewhere(&l, cfg, path, e) != 0 ||
	    api_worker_log(cfg, e) != 0)
		goto out;
	api_worker_warn(cfg);
	place.listen_fd = l.fd;
	scoreboard_set(place.board, place.slot, getpid());
	*status = api_worker_live(cfg, &place, API_ALL);
	rc = 0;
out:
	listener_close(&l);
	return rc;
}

static int
run(const char *config_path, const char *path)
{
	struct config cfg;
	struct err e = { 0 };
	int status = EX_OK;

	if (api_worker_prepare(&cfg, config_path, "api", &e) != 0)
		return cmd_fail("api", &e);
	if (serve(&cfg, path, &status, &e) != 0)
		status = cmd_fail("api", &e);
	config_clear(&cfg);
	return status;
}

struct api_args {
	const char *config, *socket;
};

#define AT(field) offsetof(struct api_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "socket", OPTION_TEXT, AT(socket), 0, 0, 0 },
};

int
cmd_api(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct api_args args = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	return run(args.config, args.socket);
}
