#include "util/fault.h"

#include <stdio.h>

#ifdef TASKMILL_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/log.h"

#define EXIT_STATUS 70
#define SLEEP_MAX_MS 600000
#define PATH_BYTES 4096

/* Every place there is. A name that stands nowhere in this table aborts. */
/* clang-format off */
static const struct {
	const char *name;
	const char *process;
} points[] = {
	{ "start.before_tx",        "api" },
	{ "start.mid_tx",           "api" },
	{ "start.before_commit",    "api" },
	{ "start.after_commit",     "api" },
	{ "claim.before_commit",    "reaper" },
	{ "claim.after_commit",     "reaper" },
	{ "spawn.before_folder",    "reaper" },
	{ "spawn.before_fork",      "reaper" },
	{ "spawn.after_fork",       "reaper" },
	{ "spawn.mid_pipe",         "reaper" },
	{ "ship.before_commit",     "reaper" },
	{ "ship.after_commit",      "reaper" },
	{ "complete.before_commit", "reaper" },
	{ "complete.after_commit",  "reaper" },
	{ "clean.before_remove",    "reaper" },
	{ "clean.mid_remove",       "reaper" },
	{ "run.start",              "runner" },
	{ "run.after_open",         "runner" },
	{ "run.after_clone",        "runner" },
	{ "run.in_agent",           "runner" },
	{ "run.after_agent",        "runner" },
	{ "run.after_collect",      "runner" },
	{ "spool.mid_line",         "runner" },
	{ "spool.before_rename",    "runner" },
	{ "spool.after_rename",     "runner" },
	{ "run.before_close",       "runner" },
	{ "publish.before_request", "outbound" },
	{ "publish.after_request",  "outbound" },
	{ "publish.before_pull",    "outbound" },
	{ "publish.after_pull",     "outbound" },
	{ "publish.before_store",   "outbound" },
	{ "publish.after_store",    "outbound" },
	{ "publish.before_claim",   "reaper" },
	{ "publish.after_claim",    "reaper" },
	{ "publish.before_complete", "reaper" },
	{ "publish.after_complete", "reaper" },
	{ "publish.after_fetch",    "runner" },
	{ "publish.after_apply",    "runner" },
	{ "publish.after_push",     "runner" },
	{ "e2b.before_post",        "runner" },
	{ "e2b.after_post",         "runner" },
	{ "e2b.before_command",     "runner" },
	{ "e2b.before_cut",         "runner" },
	{ "resume.before_spawn",    "reaper" },
	{ "resume.after_spawn",     "reaper" },
	{ "master.after_fork",      "master" },
};
/* clang-format on */

#define POINT_N (sizeof(points) / sizeof(points[0]))

/*
 * How often this process passed each point. State of a file, because a point
 * is one word in the code that it watches; only test builds have it.
 */
static unsigned long passes[POINT_N];
static pid_t passes_of; /* a forked child counts anew */

/* One "point:nth:action" of the environment. */
struct order {
	char point[64];
	unsigned long nth;
	char action[32];
};

/* A wrong setting must not look like a test that passed. */
static _Noreturn void
give_up(const char *what, const char *which)
{
	log_line(LOG_ERROR, "fault problem=" LOG_STR " which=" LOG_STR,
	    log_str(what), log_str(which));
	abort();
}

static size_t
index_of(const char *name)
{
	for (size_t i = 0; i < POINT_N; i++)
		if (strcmp(points[i].name, name) == 0)
			return i;
	give_up("no such point", name);
}

static unsigned long
count_pass(size_t i)
{
	if (passes_of != getpid()) {
		memset(passes, 0, sizeof(passes));
		passes_of = getpid();
	}
	return ++passes[i];
}

/* Reads the order at text, which a comma or the end closes. */
static void
read_order(struct order *o, const char *text)
{
	int n = 0;

	if (sscanf(text, "%63[^:,]:%lu:%31[^,]%n", o->point, &o->nth, o->action,
		&n) != 3 ||
	    (text[n] != '\0' && text[n] != ','))
		give_up("not point:nth:action", text);
	(void)index_of(o->point);
}

/* True if no process has acted at this point before us. */
static bool
is_first(const char *point)
{
	const char *folder = getenv("TASKMILL_FAULT_ONCE");
	char path[PATH_BYTES];
	int fd;

	if (folder == NULL || *folder == '\0')
		return true;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, point);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 && errno != EEXIST)
		give_up("TASKMILL_FAULT_ONCE", path);
	if (fd != -1)
		(void)close(fd);
	return fd != -1;
}

static void
sleep_ms(const char *text)
{
	char *end;
	unsigned long ms = strtoul(text, &end, 10);
	struct timespec left;

	if (*end != '\0' || end == text || ms > SLEEP_MAX_MS)
		give_up("not a time in milliseconds", text);
	left.tv_sec = (time_t)(ms / 1000);
	left.tv_nsec = (long)(ms % 1000) * 1000000;
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		continue;
}

static void
act(const char *action)
{
	if (strcmp(action, "exit") == 0)
		_exit(EXIT_STATUS);
	else if (strcmp(action, "kill") == 0)
		(void)kill(getpid(), SIGKILL);
	else if (strcmp(action, "stop") == 0)
		(void)kill(getpid(), SIGSTOP);
	else if (strncmp(action, "sleep=", 6) == 0)
		sleep_ms(action + 6);
	else
		give_up("no such action", action);
}

void
fault_point(const char *name)
{
	unsigned long pass = count_pass(index_of(name));
	const char *text = getenv("TASKMILL_FAULT");
	struct order o;

	while (text != NULL && *text != '\0') {
		read_order(&o, text);
		if (strcmp(o.point, name) == 0 && o.nth == pass &&
		    is_first(name)) {
			log_line(LOG_WARN, "fault point=%s nth=%lu action=%s",
			    name, pass, o.action);
			act(o.action);
		}
		text = strchr(text, ',');
		if (text != NULL)
			text++;
	}
}

int
fault_points_print(void)
{
	for (size_t i = 0; i < POINT_N; i++)
		(void)printf("%s %s\n", points[i].name, points[i].process);
	return fflush(stdout) == 0 ? 0 : 1;
}

#else

int
fault_points_print(void)
{
	(void)fprintf(stderr,
	    "taskmill: fault points are not compiled in; configure with "
	    "--enable-fault-injection\n");
	return 1;
}

#endif
