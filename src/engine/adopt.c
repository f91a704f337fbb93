/*
 * What an earlier reaper of this machine left: spool folders, rows, and rows
 * of past boots (reliability 10). And wishes to cancel, which come the same
 * way: from our own rows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/impl.h"
#include "store/machine.h"
#include "util/clock.h"
#include "util/log.h"

/* A machine id that was seen so lately is alive (fault 53). */
#define FRESH_S 10

static int
adopt_one(struct engine *g, const char *name, const struct hold *h,
    struct err *e)
{
	struct run *r;
	int dirfd;

	dirfd = openat(g->spool_fd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd == -1)
		return err_sys(e, ERR_BROKEN, "open spool folder %s", name);
	if ((r = run_new(h, dirfd, e)) == NULL) {
		(void)close(dirfd);
		return -1;
	}
	if (runs_add(&g->runs, r, e) == -1) {
		run_free(r);
		return -1;
	}
	r->adopted = true;
	(void)run_find_process(r);
	log_line(LOG_INFO, "run found run=%s pid=%ld", name, (long)r->proc.pid);
	return 0;
}

int
adopt_spools(struct engine *g, struct err *e)
{
	struct dirent *d;
	struct hold h;
	DIR *dir;
	int fd, rc = 0;

	fd = openat(g->spool_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		(void)err_sys(e, ERR_INVALID, "read the spool folder");
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	while (rc == 0 && (d = readdir(dir)) != NULL)
		if (spool_name_read(d->d_name, &h.task_id, &h.attempt))
			rc = adopt_one(g, d->d_name, &h, e);
	(void)closedir(dir);
	return rc;
}

/* A row that says running, and no run that could be meant. */
static int
give_back_row(struct engine *g, const struct hold *h, bool counts,
    const char *why, struct err *e)
{
	if (job_of(h)->give_back(g->db, h, 0, counts, why, e) == -1)
		return e->kind == ERR_CONFLICT ? 0 : -1;
	log_line(LOG_WARN, "task given back id=%jd attempt=%u why=" LOG_STR,
	    (intmax_t)h->task_id, h->attempt, log_str(why));
	cloud_janitor_poke(&g->cloud);
	g->claim.at_ms = 0;
	g->busy = true;
	return 0;
}

static int
on_past_boot(void *ctx, const struct hold *h, bool cancel, struct err *e)
{
	struct engine *g = ctx;

	(void)cancel; /* giving back ends it, if that was wished */
	if (runs_find(&g->runs, h) != NULL)
		return 0; /* its folder says more */
	return give_back_row(g, h, true,
	    "the machine that ran it was restarted", e);
}

int
adopt_register(struct engine *g, int64_t now_ms, struct err *e)
{
	struct err db = { 0 };

	if (g->registered || !link_ready(g, now_ms))
		return 0;
	if (machine_register(g->db, g->id.machine_id, g->id.boot_id, FRESH_S,
		&db) == -1) {
		if (db.kind == ERR_CONFLICT) {
			*e = db;
			return err_wrap(e, "STATE_DIR %s",
			    g->config->state_dir);
		}
		link_failed(g, &db, "register this machine");
		return db.kind == ERR_RETRY ? 0 : (*e = db, -1);
	}
	if (queue_owned_by_past_boots(g->db, g->id.machine_id, g->id.boot_id,
		on_past_boot, g, &db) == -1 ||
	    publish_owned_by_past_boots(g->db, g->id.machine_id, g->id.boot_id,
		on_past_boot, g, &db) == -1) {
		link_failed(g, &db, "give back tasks of the last boot");
		return db.kind == ERR_RETRY ? 0 : (*e = db, -1);
	}
	link_worked(g, now_ms);
	g->registered = true;
	log_line(LOG_INFO, "reaper ready machine=%s runs=%zu", g->id.machine_id,
	    g->runs.count);
	return 0;
}

static int
on_owned(void *ctx, const struct hold *h, bool cancel, struct err *e)
{
	struct engine *g = ctx;
	struct run *r = runs_find(&g->runs, h);

	/* Claimed, and nothing came of it: we died, or COMMIT's answer did. */
	if (r == NULL)
		return give_back_row(g, h, false,
		    "its reaper stopped before it began", e);
	r->has_row = true;
	if (cancel && (r->row == ROW_OURS || r->row == ROW_UNKNOWN)) {
		r->row = ROW_CANCEL;
		r->nudge = g->busy = true;
	}
	return 0;
}

/*
 * A run of ours whose row was not among ours: its task was deleted, or somebody
 * has taken it over, or it goes on under the name of a past boot. Each is
 * asked for by itself, for one look may be older than what it looks at.
 */
static void
doubt_rest(struct engine *g)
{
	for (size_t i = 0; i < g->runs.count; i++) {
		struct run *r = g->runs.at[i];

		if (r->has_row || r->cleaning ||
		    (r->row != ROW_OURS && r->row != ROW_CANCEL))
			continue;
		r->row = ROW_UNKNOWN;
		r->nudge = g->busy = true;
	}
}

void
adopt_wishes(struct engine *g, int64_t now_ms)
{
	struct err e = { 0 };

	if (!g->registered || !link_ready(g, now_ms) ||
	    !timer_due(&g->wishes, now_ms))
		return;
	timer_set_jittered(&g->wishes, now_ms, g->config->poll_ms);
	for (size_t i = 0; i < g->runs.count; i++)
		g->runs.at[i]->has_row = false;
	if (queue_owned(g->db, g->id.owner, on_owned, g, &e) == -1 ||
	    publish_owned(g->db, g->id.owner, on_owned, g, &e) == -1) {
		link_failed(g, &e, "look for wishes to cancel");
		return;
	}
	doubt_rest(g);
	link_worked(g, now_ms);
}
