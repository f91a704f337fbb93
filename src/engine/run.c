#include "engine/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/memo.h"
#include "util/file.h"
#include "util/log.h"

#define RESUMES_MAX 3

struct run *
run_new(const struct hold *h, int dirfd, struct err *e)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		(void)err_set(e, ERR_RETRY, "out of memory");
		return NULL;
	}
	r->hold = *h;
	spool_name(r->name, h->task_id, h->attempt);
	r->dirfd = dirfd;
	r->proc.pidfd = -1;
	r->seen_bytes = -1;
	return r;
}

void
run_free(struct run *r)
{
	if (r == NULL)
		return;
	spool_reader_close(r->reader);
	proc_forget(&r->proc);
	(void)close(r->dirfd);
	free(r);
}

/* Free is only what we could lock ourselves; an error proves nothing. */
static bool
lock_is_held(const struct run *r)
{
	struct err e = { 0 };
	int fd = file_lock(r->dirfd, "lock", &e);

	if (fd == -2)
		return true;
	if (fd == -1) {
		log_err(LOG_WARN, &e, "lock run=%s", r->name);
		return true;
	}
	(void)close(fd);
	return false;
}

bool
run_alive(struct run *r)
{
	if (r->proc.pidfd != -1 && !r->exited)
		return true;
	if (!lock_is_held(r))
		return false;
	if (r->proc.pidfd == -1)
		(void)run_find_process(r);
	return true;
}

bool
run_may_resume(const struct run *r)
{
	struct memo memo;
	struct err e = { 0 };

	if (r->no_resume || memo_resumes(r->dirfd) >= RESUMES_MAX)
		return false;
	if (memo_read(r->dirfd, &memo, &e) == 0)
		return true;
	if (e.kind != ERR_ABSENT)
		log_err(LOG_WARN, &e, "resume run=%s", r->name);
	return false;
}

void
run_reborn(struct run *r)
{
	proc_forget(&r->proc);
	r->proc.pidfd = -1;
	r->exited = r->watched = r->killed = false;
	r->result_ms = r->look_ms = r->kill_ms = 0;
	r->seen_bytes = -1;
}

bool
run_find_process(struct run *r)
{
	struct err e = { 0 };
	uint64_t started;
	int64_t pid;
	int fd;

	if (spool_runner_pid(r->dirfd, &pid, &started, &e) == -1)
		return false;
	r->began = true;
	if (pid <= 1 || pid > INT32_MAX)
		return false;
	if ((fd = pidfd_open((pid_t)pid, 0)) == -1)
		return false;
	/* First the pidfd, then the comparison: no stranger slips in (P2). */
	if (proc_start_time((pid_t)pid) != started) {
		(void)close(fd);
		return false;
	}
	r->proc.pid = (pid_t)pid;
	r->proc.pidfd = fd;
	r->exited = false;
	r->watched = false;
	return true;
}

void
run_signal(struct run *r, int sig)
{
	struct err e = { 0 };

	if (r->proc.pidfd == -1 || proc_signal(&r->proc, sig, &e) == 0 ||
	    e.kind == ERR_ABSENT)
		return;
	log_err(LOG_WARN, &e, "signal run=%s", r->name);
}

static int64_t
events_bytes(const struct run *r)
{
	struct stat st;

	if (fstatat(r->dirfd, "events.ndjson", &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return st.st_size;
}

bool
run_has_news(struct run *r)
{
	int64_t now = events_bytes(r);

	if (now == r->seen_bytes)
		return false;
	r->seen_bytes = now;
	return true;
}

void
run_forget_news(struct run *r)
{
	r->seen_bytes = -1;
}

void
run_rewind(struct run *r)
{
	spool_reader_close(r->reader);
	r->reader = NULL;
	r->shipped_known = false;
	r->seen_bytes = -1;
}

int
runs_add(struct runs *rs, struct run *r, struct err *e)
{
	if (rs->count == rs->room) {
		size_t room = rs->room == 0 ? 32 : rs->room * 2;
		struct run **at = realloc(rs->at, room * sizeof(*at));

		if (at == NULL)
			return err_set(e, ERR_RETRY, "out of memory");
		rs->at = at;
		rs->room = room;
	}
	rs->at[rs->count++] = r;
	return 0;
}

struct run *
runs_find(const struct runs *rs, const struct hold *h)
{
	for (size_t i = 0; i < rs->count; i++)
		if (rs->at[i]->hold.task_id == h->task_id &&
		    rs->at[i]->hold.attempt == h->attempt)
			return rs->at[i];
	return NULL;
}

void
runs_sweep(struct runs *rs)
{
	size_t kept = 0;

	for (size_t i = 0; i < rs->count; i++) {
		if (rs->at[i]->over)
			run_free(rs->at[i]);
		else
			rs->at[kept++] = rs->at[i];
	}
	rs->count = kept;
}

void
runs_clear(struct runs *rs)
{
	for (size_t i = 0; i < rs->count; i++)
		run_free(rs->at[i]);
	free(rs->at);
	memset(rs, 0, sizeof(*rs));
}
