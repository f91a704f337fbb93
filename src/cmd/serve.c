#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd/admin.h"
#include "cmd/api_worker.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "pool/master.h"
#include "util/log.h"
#include "util/notify.h"

static const char usage[] =
    "usage: taskmill serve [--config FILE] [--no-reaper]\n\n"
    "Runs everything: API_WORKERS FastCGI workers on API_SOCKET (or on the\n"
    "socket that systemd passes), OUTBOUND_WORKERS on OUTBOUND_SOCKET (or on\n"
    "the second one passed) for what calls GitHub, and the reaper.\n\n"
    "  SIGHUP   reads the configuration again and replaces all processes\n"
    "           without losing a request; a wrong one changes nothing\n"
    "  SIGUSR1  opens LOG_FILE again\n"
    "  SIGTERM  finishes what is begun, and leaves\n";

/* Of the commands that we start. */
#define LIFELINE_FD 3

struct serve {
	struct config cfg;
	const char *config_path; /* as on the command line, or NULL */
	char self[PATH_MAX];     /* our own program */
};

static int
live_worker(void *ctx, const struct worker_place *place)
{
	const struct serve *s = ctx;

	return api_worker_live(&s->cfg, place, API_MAIN);
}

static int
live_outbound(void *ctx, const struct worker_place *place)
{
	const struct serve *s = ctx;

	return api_worker_live(&s->cfg, place, API_OUTBOUND);
}

/* Another command of this program, which holds our lifeline as LIFELINE_FD. */
static int
start_command(const struct serve *s, const char *command, int lifeline_fd,
    struct proc *p, struct err *e)
{
	const char *argv[] = { s->self, command, "--lifeline", "3", NULL, NULL,
		NULL };
	const struct proc_fd fds[] = {
		{ STDERR_FILENO, STDERR_FILENO },
		{ lifeline_fd, LIFELINE_FD },
	};
	const struct proc_spec spec = {
		.argv = argv,
		/* Settings in the environment override those of the file. */
		.env = (const char *const *)environ,
		.fds = fds,
		.fd_count = sizeof(fds) / sizeof(fds[0]),
	};

	if (s->cfg.file[0] != '\0') {
		argv[4] = "--config";
		argv[5] = s->cfg.file;
	}
	return proc_spawn(p, &spec, e);
}

/* By exec: the reaper starts programs, and must not share our pages. */
static int
start_reaper(void *ctx, int lifeline_fd, struct proc *p, struct err *e)
{
	return start_command(ctx, "reaper", lifeline_fd, p, e);
}

static int
start_fetcher(void *ctx, int lifeline_fd, struct proc *p, struct err *e)
{
	return start_command(ctx, "jwks", lifeline_fd, p, e);
}

static struct master_settings
settings_of(const struct config *cfg)
{
	return (struct master_settings){
		.workers = (size_t)cfg->api_workers,
		.request_limit_s = cfg->request_limit_s,
		.outbound_workers = (size_t)cfg->outbound_workers,
		.outbound_limit_s = cfg->outbound_limit_s,
		.fetches_keys = cfg->idp_jwks_url[0] != '\0',
		.log_file = cfg->log_file,
	};
}

static int
reload(void *ctx, struct master_settings *m, struct err *e)
{
	struct serve *s = ctx;
	struct config fresh;

	if (config_load(&fresh, s->config_path, e) != 0)
		return -1;
	if (strcmp(fresh.api_socket, s->cfg.api_socket) != 0)
		log_line(LOG_WARN, "API_SOCKET changes by a restart only");
	if (strcmp(fresh.outbound_socket, s->cfg.outbound_socket) != 0)
		log_line(LOG_WARN, "OUTBOUND_SOCKET changes by a restart only");
	config_clear(&s->cfg);
	s->cfg = fresh;
	log_open("master", log_level_of(s->cfg.log_level));
	api_worker_warn(&s->cfg);
	*m = settings_of(&s->cfg);
	return 0;
}

static int
find_self(struct serve *s, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", s->self, sizeof(s->self) - 1);

	if (n < 0)
		return err_sys(e, ERR_BROKEN, "read /proc/self/exe");
	s->self[n] = '\0';
	return 0;
}

/* The two sockets: inherited in this order, or made. */
static int
listen_somewhere(struct listener *l, struct listener *outbound,
    const struct config *cfg, struct err *e)
{
	int count = 0, first = notify_listen_fds(&count), rc;

	if (first >= 0)
		rc = listener_inherit(l, first, e);
	else
		rc = listener_open(l, cfg->api_socket, cfg->socket_group, e);
	if (rc == -1)
		return -1;
	if (first >= 0 && count > 1)
		return listener_inherit(outbound, first + 1, e);
	return listener_open(outbound, cfg->outbound_socket, cfg->socket_group,
	    e);
}

static int
be_master(struct serve *s, bool with_reaper, struct err *e)
{
	struct listener l = LISTENER_CLOSED, slow = LISTENER_CLOSED;
	struct master_pool outbound = { .listener = &slow,
		.worker = live_outbound };
	struct master_options o = {
		.settings = settings_of(&s->cfg),
		.pool = { .listener = &l, .worker = live_worker },
		.outbound = &outbound,
		.start_reaper = with_reaper ? start_reaper : NULL,
		.start_fetcher = start_fetcher,
		.reload = reload,
		.ctx = s,
	};
	int rc = -1;

	if (master_hold_signals(e) == -1 ||
	    (o.pool.board = scoreboard_new(e)) == NULL ||
	    (outbound.board = scoreboard_new(e)) == NULL ||
	    find_self(s, e) != 0 ||
	    listen_somewhere(&l, &slow, &s->cfg, e) != 0)
		goto out;
	o.pool.board->outbound = outbound.board;
	if (api_worker_log(&s->cfg, e) != 0)
		goto out;
	api_worker_warn(&s->cfg);
	log_line(LOG_INFO,
	    "serving socket=" LOG_STR " outbound=" LOG_STR " mode=%s",
	    log_str(l.path), log_str(slow.path), config_mode(&s->cfg));
	rc = master_run(&o, e);
out:
	listener_close(&slow);
	listener_close(&l);
	return rc;
}

static int
run(const char *config_path, bool with_reaper)
{
	struct serve s = { .config_path = config_path };
	struct err e = { 0 };
	int status = EX_OK;

	if (api_worker_prepare(&s.cfg, config_path, "master", &e) != 0)
		return cmd_fail("serve", &e);
	if (be_master(&s, with_reaper, &e) != 0)
		status = cmd_fail("serve", &e);
	config_clear(&s.cfg);
	return status;
}

struct serve_args {
	const char *config;
	bool no_reaper;
};

#define AT(field) offsetof(struct serve_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "no-reaper", OPTION_FLAG, AT(no_reaper), 0, 0, 0 },
};

int
cmd_serve(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct serve_args args = { 0 };
	int status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	return run(args.config, !args.no_reaper);
}
