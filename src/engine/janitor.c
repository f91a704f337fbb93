#include "engine/janitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/workspace.h"
#include "util/file.h"
#include "util/log.h"

#define ORPHANS_MAX 64 /* of one look; the rest next time */
#define RETRY_MS 5000

/* What one child is told to remove. */
struct orphans {
	const char *dir;
	struct workspace found[ORPHANS_MAX];
	size_t count;
};

void
janitor_init(struct janitor *j, const char *dir)
{
	memset(j, 0, sizeof(*j));
	j->dir = dir;
	j->cleaner.pidfd = -1;
}

void
janitor_clear(struct janitor *j)
{
	proc_forget(&j->cleaner);
	j->cleaner.pidfd = -1;
}

void
janitor_wanted(struct janitor *j)
{
	j->timer.at_ms = 0;
}

bool
janitor_busy(const struct janitor *j)
{
	return j->cleaner.pidfd != -1;
}

static bool
is_old(int dir, const char *entry)
{
	struct timespec now;
	struct stat st;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return fstatat(dir, entry, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    now.tv_sec - st.st_mtim.tv_sec > JANITOR_OLD_S;
}

static bool
is_orphan(const struct runs *runs, int dir, const char *entry)
{
	const struct run *r;
	struct hold h;

	if (!workspace_owner(entry, &h))
		return false;
	r = runs_find(runs, &h);
	return r == NULL ? is_old(dir, entry) : r->cleaning;
}

static void
look(const struct janitor *j, const struct runs *runs, struct orphans *o)
{
	struct dirent *d;
	DIR *dir = opendir(j->dir);

	if (dir == NULL) {
		if (errno != ENOENT)
			log_line(LOG_WARN, "janitor cannot read dir=" LOG_STR,
			    log_str(j->dir));
		return;
	}
	while (o->count < ORPHANS_MAX && (d = readdir(dir)) != NULL)
		if (is_orphan(runs, dirfd(dir), d->d_name))
			(void)snprintf(o->found[o->count++].name,
			    sizeof(o->found[0].name), "%s", d->d_name);
	(void)closedir(dir);
}

/* In the child. */
static int
remove_all(void *ctx)
{
	const struct orphans *o = ctx;
	struct err e = { 0 };
	int dir, rc = 0;

	/*
	 * First of all the reaper's lock and its database connection: they
	 * must not live on here when it dies (P4, C9).
	 */
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return 1;
	for (size_t i = 0; i < o->count; i++) {
		if (dir_remove(dir, o->found[i].name, &e) == -1) {
			log_err(LOG_WARN, &e, "workspace stays name=" LOG_STR,
			    log_str(o->found[i].name));
			rc = 1;
		}
	}
	return rc;
}

/* True when no child is at work (any more). */
static bool
child_done(struct janitor *j, int64_t now_ms)
{
	struct proc_end end = { 0 };
	struct err e = { 0 };
	int rc;

	if (j->cleaner.pidfd == -1)
		return true;
	rc = proc_ended(&j->cleaner, &end, &e);
	if (rc == 0)
		return false;
	if (rc == 1 && end.code != 0)
		timer_set(&j->timer, now_ms, RETRY_MS);
	proc_forget(&j->cleaner);
	return true;
}

void
janitor_due(struct janitor *j, const struct runs *runs, int64_t now_ms)
{
	struct orphans *o;
	struct err e = { 0 };

	if (!child_done(j, now_ms) || !timer_due(&j->timer, now_ms))
		return;
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return;
	o->dir = j->dir;
	look(j, runs, o);
	timer_set(&j->timer, now_ms,
	    o->count == ORPHANS_MAX ? 0 : JANITOR_EVERY_MS);
	if (o->count > 0 && proc_fork(&j->cleaner, remove_all, o, &e) == -1) {
		log_err(LOG_WARN, &e, "janitor");
		timer_set(&j->timer, now_ms, RETRY_MS);
	}
	free(o);
}
