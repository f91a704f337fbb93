#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define VALUE_MAX_BYTES 480

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_LEVEL_N,
    "every level has its name");

/* The one kind of state that a log cannot do without: who speaks, how much. */
static const char *log_process = "taskmill";
static enum log_level log_most = LOG_INFO;

/*
 * A pipe whose reader has stopped reading would stop us, too. The flag for that
 * belongs to all who have the pipe, so we open it once more for ourselves.
 */
static void
unblock_pipe(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL), own;
	struct stat st;

	if (flags == -1 || (flags & O_NONBLOCK) != 0 ||
	    fstat(STDERR_FILENO, &st) == -1 || !S_ISFIFO(st.st_mode))
		return;
	own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (own == -1)
		return; /* it has no reader: nothing will block */
	(void)dup2(own, STDERR_FILENO);
	(void)close(own);
}

void
log_open(const char *process, enum log_level most)
{
	log_process = process;
	log_most = most;
	unblock_pipe();
}

int
log_to_file(const char *path, struct err *e)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd == -1)
		return err_sys(e, ERR_INVALID, "open log %s", path);
	if (dup2(fd, STDERR_FILENO) == -1) {
		(void)close(fd);
		return err_sys(e, ERR_BROKEN, "log to %s", path);
	}
	(void)close(fd);
	return 0;
}

static size_t
stamp(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	char day[32];
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, size, "%s.%03ldZ %s %s[%ld] ", day,
	    now.tv_nsec / 1000000, level_names[level], log_process,
	    (long)getpid());
	return n < 0 ? 0 : (size_t)n;
}

/* A log that is a socket (journald's) can be full as well. */
static void
put(const char *line, size_t len)
{
	if (send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
	    errno == ENOTSOCK)
		(void)!write(STDERR_FILENO, line, len);
}

static void emit(enum log_level level, const struct err *e, const char *fmt,
    va_list ap) __attribute__((format(printf, 3, 0)));

static void
emit(enum log_level level, const struct err *e, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t used;
	int n;

	used = stamp(line, sizeof(line), level);
	n = vsnprintf(line + used, sizeof(line) - used, fmt, ap);
	if (n > 0)
		used += (size_t)n;
	if (e != NULL && used < sizeof(line)) {
		n = snprintf(line + used, sizeof(line) - used,
		    " kind=%s text=%s", err_kind_name(e->kind),
		    log_str(e->text));
		if (n > 0)
			used += (size_t)n;
	}
	if (used > sizeof(line) - 1)
		used = sizeof(line) - 1;
	line[used++] = '\n';
	put(line, used);
}

bool
log_wants(enum log_level level)
{
	return level <= log_most;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_most)
		return;
	va_start(ap, fmt);
	emit(level, NULL, fmt, ap);
	va_end(ap);
}

void
log_err(enum log_level level, const struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (level > log_most)
		return;
	va_start(ap, fmt);
	emit(level, e, fmt, ap);
	va_end(ap);
}

const char *
log_str(const char *value)
{
	static char ring[8][4 * VALUE_MAX_BYTES + 8];
	static unsigned int turn;
	char *out = ring[turn++ % 8];
	size_t n = 0;
	const unsigned char *p = (const unsigned char *)value;

	if (value == NULL)
		return "-";
	out[n++] = '"';
	for (size_t i = 0; p[i] != '\0'; i++) {
		if (i == VALUE_MAX_BYTES) {
			n += (size_t)snprintf(out + n, 4, "...");
			break;
		}
		if (p[i] == '"' || p[i] == '\\') {
			out[n++] = '\\';
			out[n++] = (char)p[i];
		} else if (p[i] < 0x20 || p[i] >= 0x7f)
			n += (size_t)snprintf(out + n, 5, "\\x%02x", p[i]);
		else
			out[n++] = (char)p[i];
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

enum log_level
log_level_of(const char *name)
{
	enum log_level l;

	for (l = LOG_ERROR; l < LOG_LEVEL_N; l++)
		if (strcmp(level_names[l], name) == 0)
			break;
	return l;
}
