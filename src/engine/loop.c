#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/impl.h"
#include "store/poke.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define EVENTS_MAX 128
#define IDLE_MS 1000
#define JANITOR_LOOK_MS 50
#define TAG_MAX 8 /* no run lies at such an address */

enum tag {
	TAG_POKE = 1,
	TAG_LIFELINE,
	TAG_SPAWNER,
	TAG_CLOUD
};

/* Set by signals alone. */
static volatile sig_atomic_t told_to_stop;
static volatile sig_atomic_t told_to_reopen;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		told_to_reopen = 1;
	else
		told_to_stop = 1;
}

/* They come in only where the loop waits; *idle is the mask for that. */
static void
catch_signals(sigset_t *idle)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	struct sigaction a = { .sa_handler = on_signal };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		(void)sigaddset(&blocked, caught[i]);
		(void)sigaction(caught[i], &a, NULL);
	}
	a.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &a, NULL);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	(void)sigemptyset(idle);
}

static int
watch(const struct engine *g, int fd, uint32_t events, uint64_t tag,
    struct err *e)
{
	struct epoll_event ev = { .events = events, .data.u64 = tag };

	if (epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == -1)
		return err_sys(e, ERR_RETRY, "epoll");
	return 0;
}

/* New pidfds, and a new spawner or janitor. */
static void
watch_new(struct engine *g)
{
	struct err e = { 0 };

	for (size_t i = 0; i < g->runs.count; i++) {
		struct run *r = g->runs.at[i];

		if (r->proc.pidfd != -1 && !r->watched && !r->exited)
			r->watched = watch(g, r->proc.pidfd, EPOLLIN,
					 (uint64_t)(uintptr_t)r, &e) == 0;
	}
	if (g->spawner.sock != -1 &&
	    g->spawner.proc.pid != g->watched_spawner &&
	    watch(g, g->spawner.sock, EPOLLRDHUP, TAG_SPAWNER, &e) == 0)
		g->watched_spawner = g->spawner.proc.pid;
	if (g->cloud.sock != -1 && g->cloud.proc.pid != g->watched_cloud &&
	    watch(g, g->cloud.sock, EPOLLRDHUP, TAG_CLOUD, &e) == 0)
		g->watched_cloud = g->cloud.proc.pid;
	if (e.kind != ERR_NONE)
		log_err(LOG_ERROR, &e, "watch"); /* ticks find out too */
}

static void
on_exit_of(struct engine *g, struct run *r)
{
	/* Its pidfd stays readable: it would wake us for ever. */
	(void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, r->proc.pidfd, NULL);
	r->exited = true;
	r->nudge = true;
}

static void
on_event(struct engine *g, uint64_t tag, int64_t now_ms)
{
	if (tag > TAG_MAX) {
		on_exit_of(g, (struct run *)(uintptr_t)tag);
		return;
	}
	switch ((enum tag)tag) {
	case TAG_POKE:
		poke_drain(g->poke_fd);
		g->claim.at_ms = 0;
		g->wishes.at_ms = 0;
		break;
	case TAG_LIFELINE:
		g->stop = true;
		break;
	case TAG_SPAWNER:
		spawner_died(&g->spawner, now_ms);
		g->watched_spawner = 0;
		break;
	case TAG_CLOUD:
		cloud_janitor_died(&g->cloud, now_ms);
		g->watched_cloud = 0;
		break;
	}
}

static int
sleep_ms(const struct engine *g, int64_t now_ms)
{
	int64_t until = now_ms + IDLE_MS;

	if (g->busy)
		return 0;
	if (g->runs.count > 0)
		until = timer_earlier(until, &g->tick);
	if (janitor_busy(&g->janitor) && until > now_ms + JANITOR_LOOK_MS)
		until = now_ms + JANITOR_LOOK_MS;
	if (!link_ready(g, now_ms)) {
		if (g->db_wait.until_ms < until)
			until = g->db_wait.until_ms;
	} else if (g->registered) {
		until = timer_earlier(until, &g->claim);
		until = timer_earlier(until, &g->wishes);
		until = timer_earlier(until, &g->beat);
		until = timer_earlier(until, &g->sweep);
	}
	return until > now_ms ? (int)(until - now_ms) : 0;
}

static void
wait_for_events(struct engine *g, const sigset_t *idle)
{
	struct epoll_event got[EVENTS_MAX];
	int64_t now;
	int n;

	n = epoll_pwait(g->epoll_fd, got, EVENTS_MAX,
	    sleep_ms(g, clock_mono_ms()), idle);
	now = clock_mono_ms();
	g->busy = false;
	for (int i = 0; i < n; i++)
		on_event(g, got[i].data.u64, now);
}

static void
step_runs(struct engine *g)
{
	int64_t now = clock_mono_ms();
	bool tick = timer_due(&g->tick, now);

	if (tick)
		timer_set(&g->tick, now, g->config->ship_ms);
	for (size_t i = 0; i < g->runs.count; i++)
		if (tick || g->runs.at[i]->nudge)
			step_run(g, g->runs.at[i], clock_mono_ms());
	runs_sweep(&g->runs);
}

/* With --once and --drain: is there nothing left to wait for? */
static bool
all_done(struct engine *g)
{
	struct queue_counts counts;
	struct err e = { 0 };
	int64_t pushes;

	if (!(g->once || g->drain) || !g->registered || g->runs.count > 0 ||
	    janitor_busy(&g->janitor))
		return false;
	if (g->drain)
		return true;
	if (!g->idle_seen || !link_ready(g, clock_mono_ms()))
		return false;
	if (queue_counts_get(g->db, &counts, &e) == -1 ||
	    publish_waiting(g->db, &pushes, &e) == -1) {
		link_failed(g, &e, "count tasks");
		return false;
	}
	return counts.pending == 0 && pushes == 0;
}

static void
reopen_log(struct engine *g)
{
	struct err e = { 0 };

	told_to_reopen = 0;
	if (g->config->log_file[0] != '\0' &&
	    log_to_file(g->config->log_file, &e) == -1)
		log_err(LOG_ERROR, &e, "reopen log");
	/*
	 * The spawner has the old file as its standard error. A new one has
	 * the new one; it comes when it is needed, and no runner notices.
	 */
	spawner_close(&g->spawner);
	g->watched_spawner = 0;
	/* And so has the janitor, which comes again at once. */
	cloud_janitor_close(&g->cloud);
	g->watched_cloud = 0;
}

/*
 * One round. New tasks first, for somebody is looking at the screen; after a
 * new connection the leases first, which link_worked() has made due.
 */
static int
pass(struct engine *g, struct err *e)
{
	int64_t now = clock_mono_ms();

	if (adopt_register(g, now, e) == -1)
		return -1;
	claim_due(g, now);
	step_runs(g);
	adopt_wishes(g, clock_mono_ms());
	sweep_due(g, clock_mono_ms());
	janitor_due(&g->janitor, &g->runs, clock_mono_ms());
	if (g->registered)
		cloud_janitor_due(&g->cloud, g->config, g->spawner.program,
		    g->id.machine_id, clock_mono_ms());
	watch_new(g);
	return 0;
}

static int
loop(struct engine *g, const sigset_t *idle, struct err *e)
{
	while (!told_to_stop && !g->stop) {
		if (told_to_reopen)
			reopen_log(g);
		if (pass(g, e) == -1)
			return -1;
		if (all_done(g))
			break;
		wait_for_events(g, idle);
	}
	log_line(LOG_INFO, "reaper leaves runs=%zu", g->runs.count);
	return 0;
}

static int
open_folders(struct engine *g, struct err *e)
{
	const struct config *c = g->config;
	char spool[4096];

	(void)snprintf(spool, sizeof(spool), "%s/spool", c->state_dir);
	if (dir_make(c->state_dir, 0711, e) == -1 ||
	    dir_make(spool, 0700, e) == -1 ||
	    dir_make(c->sandbox_dir, 0711, e) == -1)
		return -1;
	g->spool_fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->spool_fd == -1)
		return err_sys(e, ERR_INVALID, "open %s", spool);
	return 0;
}

static int
open_sockets(struct engine *g, struct err *e)
{
	if ((g->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return err_sys(e, ERR_RETRY, "epoll");
	if ((g->poke_fd = poke_listen(g->config->state_dir, e)) == -1 ||
	    watch(g, g->poke_fd, EPOLLIN, TAG_POKE, e) == -1)
		return -1;
	if (g->lifeline == -1)
		return 0;
	if (fd_cloexec(g->lifeline, true, e) == -1)
		return -1;
	return watch(g, g->lifeline, EPOLLIN | EPOLLRDHUP, TAG_LIFELINE, e);
}

static int
open_db(struct engine *g, struct err *e)
{
	const struct config *c = g->config;
	const struct db_options o = {
		.socket = c->db_socket,
		.host = c->db_host,
		.port = (unsigned int)c->db_port,
		.name = c->db_name,
		.user = c->db_user,
		.password = c->db_password,
		.ca_file = c->db_ca_file,
	};

	return db_open(&g->db, &o, e);
}

static void
close_all(struct engine *g)
{
	spawner_close(&g->spawner);
	cloud_janitor_close(&g->cloud);
	runs_clear(&g->runs);
	janitor_clear(&g->janitor);
	keyring_clear(&g->keys);
	batch_clear(&g->batch);
	db_close(g->db);
	if (g->spool_fd != -1)
		(void)close(g->spool_fd);
	if (g->epoll_fd != -1)
		(void)close(g->epoll_fd);
	if (g->poke_fd != -1)
		(void)close(g->poke_fd);
	identity_close(&g->id);
}

/* A run takes four descriptors, and the usual soft limit is 1024. */
static void
allow_descriptors(void)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) == -1)
		return;
	most.rlim_cur = most.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE,
	    &most); /* up to the hard limit: never refused */
}

static int
open_all(struct engine *g, const struct engine_options *o, struct err *e)
{
	bool in_cloud = strcmp(config_mode(o->config), "e2b") == 0;

	memset(g, 0, sizeof(*g));
	g->config = o->config;
	g->once = o->once;
	g->drain = o->drain;
	g->lifeline = o->lifeline;
	g->spool_fd = g->epoll_fd = g->poke_fd = -1;
	g->spawner.sock = -1;
	cloud_janitor_init(&g->cloud);
	g->id.lock_fd = -1;
	keyring_init(&g->keys, o->config->state_dir);
	janitor_init(&g->janitor, o->config->sandbox_dir);
	batch_init(&g->batch);
	room_init(&g->room);
	if (open_folders(g, e) == -1 ||
	    identity_open(&g->id, o->config->state_dir, e) == -1 ||
	    spawner_init(&g->spawner, o->config->state_dir,
		in_cloud ? o->config->e2b_ca_file : NULL, e) == -1 ||
	    open_sockets(g, e) == -1 || open_db(g, e) == -1)
		return -1;
	return adopt_spools(g, e);
}

int
engine_run(const struct engine_options *o, struct err *e)
{
	struct engine *g;
	sigset_t idle;
	int rc = -1;

	if ((g = malloc(sizeof(*g))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	catch_signals(&idle);
	allow_descriptors();
	if (open_all(g, o, e) == -1)
		goto out;
	rc = loop(g, &idle, e);
out:
	close_all(g);
	free(g);
	return rc;
}
