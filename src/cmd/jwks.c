#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/jwks.h"
#include "cmd/admin.h"
#include "cmd/options.h"
#include "store/poke.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/file.h"
#include "util/log.h"
#include "util/net.h"

static const char usage[] =
    "usage: taskmill jwks [--once] [--config FILE] [--lifeline FD]\n\n"
    "Fetches the public keys of an identity provider (IDP_JWKS_URL) to\n"
    "STATE_DIR/jwks.json, where API workers find them: every\n"
    "IDP_JWKS_REFRESH_S seconds, and when one of them meets a key that it does\n"
    "not know. taskmill serve starts it.\n\n"
    "  --once         fetch them now, and leave\n"
    "  --lifeline FD  leave when this descriptor comes to its end\n";

/* Between fetches, whatever strangers' tokens make workers ask for. */
#define LEAST_MS 30000

/* For one fetch; who stops the service waits for it. */
#define FETCH_MS 10000

/* A key that was withdrawn stays for so many intervals. */
#define KEEP_INTERVALS 2

#define PATH_BYTES 4096
#define US_PER_S 1000000
#define MS_PER_S 1000

/* What the signals asked for; handlers can only set flags. */
static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reopen_asked;

struct fetcher {
	struct config cfg;
	struct net *net;
	char path[PATH_BYTES];
	int lifeline; /* -1: none */
	int pokes;    /* -1: none */
	int64_t fetched_ms;
	sigset_t idle_mask;
};

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		reopen_asked = 1;
	else
		stop_asked = 1;
}

/* Blocked but in the one ppoll, so that no flag can be missed. */
static int
set_signals(struct fetcher *f, struct err *e)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGUSR1 };
	struct sigaction act = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)sigaddset(&blocked, ours[i]);
	if (sigprocmask(SIG_BLOCK, &blocked, &f->idle_mask) != 0 ||
	    sigaction(SIGPIPE, &ignore, NULL) != 0)
		return err_sys(e, ERR_BROKEN, "signals");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		(void)sigdelset(&f->idle_mask, ours[i]);
		if (sigaction(ours[i], &act, NULL) != 0)
			return err_sys(e, ERR_BROKEN, "signals");
	}
	return 0;
}

static int
get(struct fetcher *f, struct buf *text, struct err *e)
{
	const char *const headers[] = { "Accept: application/json", NULL };
	const char *ca = f->cfg.idp_ca_file;
	const struct net_request rq = { .method = "GET",
		.url = f->cfg.idp_jwks_url,
		.headers = headers,
		.max_body = JWKS_TEXT_MAX,
		.timeout_ms = FETCH_MS,
		.ca_file = ca[0] != '\0' ? ca : NULL };
	struct net_response rs = { 0 };
	int rc = -1;

	if (net_fetch(f->net, &rq, &rs, e) == -1)
		goto out;
	if (rs.status != 200) {
		err_set(e, ERR_RETRY, "the provider answered with status %d",
		    rs.status);
		goto out;
	}
	buf_add(text, rs.body.data, rs.body.len);
	rc = 0;
out:
	net_response_clear(&rs);
	return rc;
}

/* What is there from before; nothing when it is of no use. */
static void
read_old(const struct fetcher *f, struct buf *old)
{
	struct err e = { 0 };
	struct jwks *set;

	if (file_read(AT_FDCWD, f->path, old, &e) == -1) {
		if (e.kind != ERR_ABSENT)
			log_err(LOG_WARN, &e, "old keys");
		buf_clear(old);
		return;
	}
	if (jwks_read(&set, old->data != NULL ? old->data : "", old->len, &e) ==
	    -1) {
		log_err(LOG_WARN, &e, "old keys");
		buf_clear(old);
		return;
	}
	jwks_free(set);
}

static int
merge(struct fetcher *f, const struct buf *fresh, struct err *e)
{
	struct buf old = BUF(JWKS_TEXT_MAX), out = BUF(JWKS_TEXT_MAX);
	struct jwks_merge m = { .fresh = fresh->data != NULL ? fresh->data : "",
		.fresh_len = fresh->len,
		.now_s = clock_wall_us() / US_PER_S,
		.keep_s = KEEP_INTERVALS * f->cfg.idp_jwks_refresh_s };
	int rc = -1;

	read_old(f, &old);
	m.old = old.data;
	m.old_len = old.len;
	if (jwks_merge(&out, &m, e) == -1 ||
	    file_replace(AT_FDCWD, f->path, out.data, out.len, 0600, e) == -1)
		goto out;
	rc = 0;
out:
	buf_clear(&old);
	buf_clear(&out);
	return rc;
}

/* A failed fetch changes nothing: the keys that there are stay good. */
static int
fetch(struct fetcher *f, struct err *e)
{
	struct buf fresh = BUF(JWKS_TEXT_MAX);
	int rc = -1;

	f->fetched_ms = clock_mono_ms();
	if (get(f, &fresh, e) == 0 && merge(f, &fresh, e) == 0)
		rc = 0;
	else
		err_wrap(e, "keys of the identity provider");
	buf_clear(&fresh);
	return rc;
}

/* When to fetch next, unless somebody asks before. */
static int64_t
next_ms(const struct fetcher *f, bool well)
{
	int64_t every_ms = f->cfg.idp_jwks_refresh_s * MS_PER_S;

	if (!well && every_ms > LEAST_MS)
		every_ms = LEAST_MS;
	return f->fetched_ms + every_ms;
}

static void
obey(struct fetcher *f)
{
	struct err e = { 0 };

	if (!reopen_asked)
		return;
	reopen_asked = 0;
	if (f->cfg.log_file[0] != '\0' &&
	    log_to_file(f->cfg.log_file, &e) == -1)
		log_err(LOG_ERROR, &e, "open log again");
}

/* Waits until due_ms, or sooner when asked. False: leave. */
static bool
wait_until(struct fetcher *f, int64_t due_ms)
{
	for (;;) {
		struct pollfd fds[] = { { f->lifeline, POLLIN, 0 },
			{ f->pokes, POLLIN, 0 } };
		int64_t left = due_ms - clock_mono_ms();
		struct timespec limit;

		if (left <= 0)
			return true;
		limit.tv_sec = left / MS_PER_S;
		limit.tv_nsec = left % MS_PER_S * 1000000;
		if (ppoll(fds, 2, &limit, &f->idle_mask) == -1 &&
		    errno != EINTR) {
			log_line(LOG_ERROR, "ppoll errno=%d", errno);
			return false;
		}
		obey(f);
		if (stop_asked || fds[0].revents != 0)
			return false;
		if (fds[1].revents != 0) {
			poke_drain(f->pokes);
			if (due_ms > f->fetched_ms + LEAST_MS)
				due_ms = f->fetched_ms + LEAST_MS;
		}
	}
}

static int
keep_fetching(struct fetcher *f, struct err *e)
{
	struct err failed = { 0 };
	bool well;

	if (set_signals(f, e) == -1)
		return -1;
	f->pokes = poke_listen_at(f->cfg.state_dir, POKE_JWKS, e);
	if (f->pokes == -1)
		return -1;
	do {
		well = fetch(f, &failed) == 0;
		if (well)
			log_line(LOG_INFO, "keys fetched");
		else
			log_err(LOG_WARN, &failed, "keys not fetched");
	} while (wait_until(f, next_ms(f, well)));
	(void)close(f->pokes);
	return 0;
}

static int
run(struct fetcher *f, bool once, struct err *e)
{
	int rc = -1;

	if (f->cfg.idp_jwks_url[0] == '\0')
		return err_set(e, ERR_INVALID, "IDP_JWKS_URL is not set");
	if (!config_jwks_path(&f->cfg, f->path, sizeof(f->path)))
		return err_set(e, ERR_INVALID, "STATE_DIR is too long");
	log_open("jwks", log_level_of(f->cfg.log_level));
	if (f->cfg.log_file[0] != '\0' && !once &&
	    log_to_file(f->cfg.log_file, e) == -1)
		return -1;
	if (net_init(e) == -1)
		return -1;
	if (net_new(&f->net, e) == 0)
		rc = once ? fetch(f, e) : keep_fetching(f, e);
	net_free(f->net);
	net_end();
	return rc;
}

struct jwks_args {
	const char *config;
	int lifeline; /* -1: none */
	bool once;
};

#define AT(field) offsetof(struct jwks_args, field)

static const struct option_row rows[] = {
	{ "config", OPTION_TEXT, AT(config), 0, 0, 0 },
	{ "lifeline", OPTION_FD, AT(lifeline), 0, 0, 0 },
	{ "once", OPTION_FLAG, AT(once), 0, 0, 0 },
};

int
cmd_jwks(int argc, char **argv)
{
	static const struct command_line line = COMMAND_LINE(usage, rows);
	struct jwks_args args = { .lifeline = -1 };
	struct fetcher f = { .pokes = -1 };
	struct err e = { 0 };
	int rc, status;

	if (!options_read_all(&line, &args, argc, argv, &status))
		return status;
	f.lifeline = args.lifeline;
	if (encode_init(&e) == -1 || config_load(&f.cfg, args.config, &e) == -1)
		return cmd_fail("jwks", &e);
	rc = run(&f, args.once, &e);
	config_clear(&f.cfg);
	return rc == -1 ? cmd_fail("jwks", &e) : EX_OK;
}
