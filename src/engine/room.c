#include "engine/room.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "engine/impl.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

#define HOLD_MOST_MS 60000
#define PROBE ".probe"
#define PROBE_BYTES 4096

/* A spool folder has eight files, and more than one may be begun at once. */
#define FILES_MIN 64

void
room_init(struct room *r)
{
	*r = (struct room){ .hold.most_ms = HOLD_MOST_MS };
}

static const char *
disk_trouble(const struct engine *g)
{
	uint64_t reserve = (uint64_t)g->config->disk_reserve_mb << 20;
	struct statvfs fs;

	if (fstatvfs(g->spool_fd, &fs) == -1)
		return NULL; /* then the first write will tell */
	if ((fs.f_flag & ST_RDONLY) != 0)
		return "disk read-only";
	if ((uint64_t)fs.f_bavail * fs.f_frsize < reserve)
		return "disk low";
	/* Some file systems have no fixed number of files and say 0 of 0. */
	if (fs.f_files != 0 && fs.f_favail < FILES_MIN)
		return "disk low on inodes";
	return NULL;
}

/* Writes a little where spools go. */
static int
probe(const struct engine *g, struct err *e)
{
	static const char zeros[PROBE_BYTES];
	int fd, rc;

	fd = openat(g->spool_fd, PROBE,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return err_sys(e, ERR_RETRY, "write in the spool folder");
	rc = fd_write_all(fd, zeros, sizeof(zeros), e);
	(void)close(fd);
	if (unlinkat(g->spool_fd, PROBE, 0) == -1 && rc == 0)
		rc = err_sys(e, ERR_RETRY, "remove in the spool folder");
	return rc;
}

/* Once for each change; the heartbeat tells it to who asks /readyz. */
static void
note(struct engine *g, const char *trouble)
{
	if (trouble == g->room.trouble)
		return;
	g->room.trouble = trouble;
	g->beat.at_ms = 0;
	if (trouble != NULL)
		log_line(LOG_ERROR, "nothing is claimed: %s", trouble);
	else
		log_line(LOG_INFO, "there is room again");
}

bool
room_now(struct engine *g, int64_t now_ms)
{
	const char *trouble = disk_trouble(g);
	struct err e = { 0 };

	if (trouble != NULL) {
		note(g, trouble);
		return false;
	}
	if (!backoff_over(&g->room.hold, now_ms))
		return false;
	if (g->room.failing && probe(g, &e) == -1) {
		log_err(LOG_WARN, &e, "nothing is claimed");
		backoff_fail(&g->room.hold, now_ms);
		note(g, "runs cannot be started");
		return false;
	}
	g->room.failing = false;
	note(g, NULL);
	return true;
}

void
room_start_worked(struct engine *g)
{
	backoff_ok(&g->room.hold);
}

void
room_start_failed(struct engine *g)
{
	g->room.failing = true;
	backoff_fail(&g->room.hold, clock_mono_ms());
	note(g, "runs cannot be started");
}
