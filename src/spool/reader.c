/* The reading half of spool/spool.h: events. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/writer.h"
#include "util/file.h"
#include "util/json.h"
#include "util/utf8.h"

#define READ_PIECE ((size_t)32 * 1024)
#define AT_LEN 26
#define WARNING_MAX 160

struct spool_reader {
	int dirfd;
	int fd;        /* -1: there is no file yet */
	off_t line_at; /* where the line begins that comes next */
	uint64_t seq;  /* of the last event given */
	uint64_t skip;
	struct buf held; /* bytes from line_at on */
	size_t used;     /* of held: the line given last */
	bool too_long;   /* skipping the rest of a line */
	bool again;      /* spool_reader_back() */
	struct spool_event last;
	char warning[WARNING_MAX];
};

int
spool_reader_open(struct spool_reader **out, int dirfd, uint64_t skip,
    struct err *e)
{
	struct spool_reader *r;

	*out = NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	r->fd = -1;
	r->skip = skip;
	r->held.max = SPOOL_LINE_MAX;
	if ((r->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0)) == -1) {
		free(r);
		return err_sys(e, ERR_RETRY, "keep the spool folder");
	}
	*out = r;
	return 0;
}

void
spool_reader_close(struct spool_reader *r)
{
	if (r == NULL)
		return;
	buf_clear(&r->held);
	if (r->fd != -1)
		(void)close(r->fd);
	(void)close(r->dirfd);
	free(r);
}

/* Opens the file once it is there: 1 open, 0 not there, -1. */
static int
open_events(struct spool_reader *r, struct err *e)
{
	struct stat st;

	if (r->fd != -1)
		return 1;
	r->fd = openat(r->dirfd, SPOOL_EVENTS,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (r->fd == -1 && errno == ENOENT)
		return 0;
	if (r->fd == -1)
		return err_sys(e, errno == ELOOP ? ERR_BROKEN : ERR_RETRY,
		    "open events");
	if (fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode))
		return 1;
	(void)close(r->fd);
	r->fd = -1;
	return err_set(e, ERR_BROKEN, "events are not in a regular file");
}

/* Reads on behind what is held: 1 got some, 0 end of file, -1. */
static int
read_more(struct spool_reader *r, struct err *e)
{
	size_t want = r->held.max - r->held.len;
	char *to;
	ssize_t n;

	if (want > READ_PIECE)
		want = READ_PIECE;
	if ((to = buf_reserve(&r->held, want)) == NULL) {
		buf_clear(&r->held);
		return err_set(e, ERR_RETRY, "out of memory for events");
	}
	do
		n = pread(r->fd, to, want, r->line_at + (off_t)r->held.len);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return err_sys(e, ERR_RETRY, "read events");
	r->held.len += (size_t)n;
	return n > 0;
}

/* Forgets the first n bytes held. */
static void
pass(struct spool_reader *r, size_t n)
{
	buf_drop(&r->held, n);
	r->line_at += (off_t)n;
}

/*
 * Finds the next whole line, and its length without the newline. 1, 0 or -1.
 * Half a line is not kept: the writer may yet cut it and write another one in
 * its place. Nor is its memory: a reaper has many readers that wait.
 */
static int
next_line(struct spool_reader *r, size_t *len, struct err *e)
{
	size_t looked = 0;
	char *nl = NULL;
	int rc;

	for (;;) {
		if (r->held.len > looked)
			nl = memchr(r->held.data + looked, '\n',
			    r->held.len - looked);
		if (nl != NULL)
			break;
		looked = r->held.len;
		if (looked == r->held.max) {
			r->too_long = true;
			pass(r, looked);
			looked = 0;
		}
		if ((rc = read_more(r, e)) != 1) {
			if (r->too_long)
				pass(r, r->held.len);
			buf_clear(&r->held);
			return rc;
		}
	}
	*len = (size_t)(nl - r->held.data);
	return 1;
}

static bool
all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return true;
}

static int
two_digits(const char *s)
{
	return (s[0] - '0') * 10 + (s[1] - '0');
}

/* A time that the database will take as it is. */
static bool
is_time(const char *s)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd.dddddd";
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	int year, month, day;

	for (size_t i = 0; i < AT_LEN; i++) {
		if (form[i] == 'd' ? !all_digits(s + i, 1) : s[i] != form[i])
			return false;
	}
	year = two_digits(s) * 100 + two_digits(s + 2);
	month = two_digits(s + 5);
	day = two_digits(s + 8);
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > days[month - 1])
		return false;
	if (month == 2 && day == 29 &&
	    (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0)))
		return false;
	return two_digits(s + 11) < 24 && two_digits(s + 14) < 60 &&
	    two_digits(s + 17) < 60;
}

/* Takes a literal off the front of the n bytes at *s. */
static bool
take(const char **s, size_t *n, const char *literal)
{
	size_t len = strlen(literal);

	if (*n < len || memcmp(*s, literal, len) != 0)
		return false;
	*s += len;
	*n -= len;
	return true;
}

static bool
take_kind(const char **s, size_t *n, char kind[SPOOL_KIND_MAX + 1])
{
	size_t len = 0;

	while (len < *n &&
	    (((*s)[len] >= 'a' && (*s)[len] <= 'z') || (*s)[len] == '_'))
		len++;
	if (len == 0 || len > SPOOL_KIND_MAX)
		return false;
	memcpy(kind, *s, len);
	kind[len] = '\0';
	*s += len;
	*n -= len;
	return true;
}

/*
 * Reads a line in exactly the form in which the writer writes it, so that
 * what is behind "data": can be handed on as it stands.
 */
static bool
parse_line(const char *s, size_t n, uint64_t seq, struct spool_event *ev)
{
	char head[64];
	struct err ignored = { 0 };

	(void)snprintf(head, sizeof(head), "{\"seq\":%" PRIu64 ",\"at\":\"",
	    seq);
	if (!take(&s, &n, head) || n < AT_LEN || !is_time(s))
		return false;
	memcpy(ev->at, s, AT_LEN);
	ev->at[AT_LEN] = '\0';
	s += AT_LEN;
	n -= AT_LEN;
	if (!take(&s, &n, "\",\"kind\":\"") || !take_kind(&s, &n, ev->kind) ||
	    !take(&s, &n, "\",\"data\":"))
		return false;
	/* An object, and the brace that ends the line. */
	if (n < 3 || s[0] != '{' || s[n - 1] != '}' ||
	    json_scan(s, n - 1, &ignored) == -1)
		return false;
	ev->seq = seq;
	ev->data = s;
	ev->data_len = n - 1;
	return true;
}

/* What stands in for a line that is none. */
static void
make_warning(struct spool_reader *r, uint64_t seq, const char *why)
{
	struct spool_event *ev = &r->last;

	(void)snprintf(r->warning, sizeof(r->warning),
	    "{\"text\":\"Event %" PRIu64 " of the run was left out: %s.\"}",
	    seq, why);
	/* The time of the one before, so that times do not run backwards. */
	if (ev->at[0] == '\0')
		memcpy(ev->at, "1970-01-01 00:00:01.000000", AT_LEN + 1);
	(void)snprintf(ev->kind, sizeof(ev->kind), "warning");
	ev->seq = seq;
	ev->data = r->warning;
	ev->data_len = strlen(r->warning);
}

/* Makes r->last of the line held. */
static void
take_event(struct spool_reader *r, size_t len)
{
	struct spool_event ev;

	r->seq++;
	if (r->too_long)
		make_warning(r, r->seq, "it is too long");
	else if (parse_line(r->held.data, len, r->seq, &ev))
		r->last = ev;
	else
		make_warning(r, r->seq, "it is not a valid event");
	r->too_long = false;
	r->used = len + 1;
}

int
spool_reader_next(struct spool_reader *r, struct spool_event *ev, struct err *e)
{
	size_t len;
	int rc;

	if (r->again) {
		r->again = false;
		*ev = r->last;
		return 1;
	}
	if ((rc = open_events(r, e)) != 1)
		return rc;
	for (;;) {
		pass(r, r->used);
		r->used = 0;
		if ((rc = next_line(r, &len, e)) != 1)
			return rc;
		if (r->seq >= r->skip)
			break;
		r->seq++;
		r->too_long = false;
		r->used = len + 1;
	}
	take_event(r, len);
	*ev = r->last;
	return 1;
}

void
spool_reader_back(struct spool_reader *r)
{
	r->again = true;
}

bool
spool_has_result(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, SPOOL_RESULT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode);
}

int
spool_runner_pid(int dirfd, int64_t *pid, uint64_t *start_time, struct err *e)
{
	struct buf text = BUF(128);
	char end = 0;
	int rc = -1;

	if (file_read_beneath(dirfd, SPOOL_LOCK, &text, e) == -1)
		goto out;
	if (text.len == 0) {
		(void)err_set(e, ERR_ABSENT, "the runner has not started");
		goto out;
	}
	if (sscanf(text.data, "%" SCNd64 " %" SCNu64 "%c", pid, start_time,
		&end) != 3 ||
	    end != '\n' || *pid <= 1) {
		(void)err_set(e, ERR_ABSENT,
		    "the lock file does not name a runner");
		goto out;
	}
	rc = 0;
out:
	buf_clear(&text);
	return rc;
}
