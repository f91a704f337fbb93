#include "spool/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spool/replay.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/file.h"
#include "util/json.h"
#include "util/utf8.h"

#define OUTPUT_EVENT_MAX ((size_t)16 * 1024)
#define NOTE_MAX ((size_t)16 * 1024)
#define TEXT_MAX (6 * GATE_PIECE)
#define SCAN_PIECE 16384

static const char *const stream_names[STREAM_N] = { "stdout", "stderr" };

/*
 * Half a line is what a kill in the middle of a write leaves; with fault
 * points a test can have it at will.
 */
#ifdef TASKMILL_FAULTS
static int
put(int fd, const char *bytes, size_t len, struct err *e)
{
	size_t half = len / 2;

	if (fd_write_all(fd, bytes, half, e) == -1)
		return -1;
	FAULT_POINT("spool.mid_line");
	return fd_write_all(fd, bytes + half, len - half, e);
}
#else
static int
put(int fd, const char *bytes, size_t len, struct err *e)
{
	return fd_write_all(fd, bytes, len, e);
}
#endif

/* "YYYY-MM-DD hh:mm:ss.uuuuuu" of now, as the database writes it. */
static void
put_now(struct buf *out)
{
	int64_t us = clock_wall_us();
	time_t s = (time_t)(us / 1000000);
	struct tm tm;
	char text[40];

	(void)gmtime_r(&s, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_addf(out, "%s.%06d", text, (int)(us % 1000000));
}

/*
 * Starts the next event; its data follows, then event_end(). The form is
 * fixed to the letter: the reader takes no other.
 */
static void
event_head(struct spool_writer *w, const char *kind)
{
	buf_reset(&w->line);
	buf_addf(&w->line, "{\"seq\":%" PRIu64 ",\"at\":\"", w->seq + 1);
	put_now(&w->line);
	buf_addf(&w->line, "\",\"kind\":\"%s\",\"data\":", kind);
	w->kind = kind;
	w->data_at = w->line.len;
}

static void
event_begin(struct spool_writer *w, const char *kind, struct json_out *j)
{
	event_head(w, kind);
	json_start(j, &w->line);
	json_open(j);
}

/* Writes the event, whose data is complete. */
static int
event_write(struct spool_writer *w, struct err *e)
{
	size_t data_len = w->line.len - w->data_at;

	buf_puts(&w->line, "}\n");
	if (!buf_ok(&w->line))
		return err_set(e, ERR_BROKEN,
		    "an event is larger than %u bytes", SPOOL_LINE_MAX);
	if (w->replay != NULL &&
	    replay_told(w->replay, w->kind, w->line.data + w->data_at,
		data_len))
		return 0;
	if (put(w->fd, w->line.data, w->line.len, e) == -1) {
		/*
		 * A half line (disk full) must go, or the next event would be
		 * glued to it.
		 */
		if (ftruncate(w->fd, w->end) == -1)
			(void)err_wrap(e, "cannot cut a half line");
		return err_wrap(e, "write events");
	}
	w->end += (off_t)w->line.len;
	w->seq++;
	return 0;
}

static int
event_end(struct spool_writer *w, struct json_out *j, struct err *e)
{
	json_close(j);
	return event_write(w, e);
}

/* Counts whole lines, and finds where the last of them ends. */
static int
scan_lines(struct spool_writer *w, struct err *e)
{
	char piece[SCAN_PIECE];
	off_t at = 0;
	ssize_t n;

	for (;;) {
		n = pread(w->fd, piece, sizeof(piece), at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_sys(e, ERR_RETRY, "read events");
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] != '\n')
				continue;
			w->seq++;
			w->end = at + i + 1;
		}
		at += n;
	}
}

static int
open_events(struct spool_writer *w, int dirfd, struct err *e)
{
	if ((w->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0)) == -1)
		return err_sys(e, ERR_RETRY, "keep the spool folder");
	w->fd = openat(dirfd, SPOOL_EVENTS,
	    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd == -1)
		return err_sys(e, ERR_RETRY, "open events");
	if (scan_lines(w, e) == -1)
		return -1;
	if (ftruncate(w->fd, w->end) == -1)
		return err_sys(e, ERR_RETRY, "cut a half line");
	return 0;
}

int
spool_writer_open(struct spool_writer **out, int dirfd,
    const struct redact *redact, size_t output_max, struct err *e)
{
	struct spool_writer *w;

	*out = NULL;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	w->dirfd = w->fd = -1;
	w->redact = redact;
	w->output_max = output_max;
	w->text.max = TEXT_MAX;
	w->line.max = SPOOL_LINE_MAX;
	if (gate_open(&w->gates[STREAM_STDOUT], redact, true, e) == -1 ||
	    gate_open(&w->gates[STREAM_STDERR], redact, true, e) == -1 ||
	    open_events(w, dirfd, e) == -1) {
		spool_writer_close(w);
		return -1;
	}
	*out = w;
	return 0;
}

int
spool_writer_resume(struct spool_writer *w, struct err *e)
{
	if ((w->replay = calloc(1, sizeof(*w->replay))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (replay_read(w->replay, w->dirfd, e) == -1)
		return -1;
	w->output_kept = w->replay->kept;
	w->truncated = w->replay->truncated;
	return 0;
}

bool
spool_step_told(const struct spool_writer *w, const char *name,
    int64_t *began_us, int64_t *took_ms)
{
	size_t n = w->replay == NULL ? 0 : w->replay->step_count;

	for (size_t i = 0; i < n; i++) {
		const struct replay_step *step = &w->replay->steps[i];

		if (strcmp(step->name, name) != 0)
			continue;
		*began_us = step->began_us;
		*took_ms = step->took_ms;
		return true;
	}
	return false;
}

void
spool_writer_close(struct spool_writer *w)
{
	if (w == NULL)
		return;
	if (w->replay != NULL)
		replay_clear(w->replay);
	free(w->replay);
	for (int i = 0; i < STREAM_N; i++)
		gate_close(&w->gates[i]);
	buf_clear(&w->text);
	buf_clear(&w->line);
	if (w->fd != -1)
		(void)close(w->fd);
	if (w->dirfd != -1)
		(void)close(w->dirfd);
	free(w);
}

int
spool_step(struct spool_writer *w, const char *name, const char *state,
    const char *extra_json, struct err *e)
{
	struct json_out j;

	event_begin(w, "step", &j);
	json_name_text(&j, "step", name);
	json_name_text(&j, "state", state);
	if (extra_json != NULL) {
		buf_putc(&w->line, ',');
		gate_json(w->redact, &w->line, extra_json, strlen(extra_json));
	}
	return event_end(w, &j, e);
}

int
spool_agent(struct spool_writer *w, const char *json, size_t len, struct err *e)
{
	event_head(w, "agent");
	gate_json(w->redact, &w->line, json, len);
	return event_write(w, e);
}

int
spool_note(struct spool_writer *w, const char *kind, const char *text,
    struct err *e)
{
	struct json_out j;
	struct buf clean = BUF(3 * NOTE_MAX);
	int rc;

	gate_text(w->redact, &clean, text, NOTE_MAX);
	if (!buf_ok(&clean)) {
		buf_clear(&clean);
		return err_set(e, ERR_RETRY, "out of memory for a note");
	}
	event_begin(w, kind, &j);
	json_name_string(&j, "text", clean.data == NULL ? "" : clean.data,
	    clean.len);
	rc = event_end(w, &j, e);
	buf_clear(&clean);
	return rc;
}

static int
write_truncated(struct spool_writer *w, struct err *e)
{
	struct json_out j;

	w->truncated = true;
	event_begin(w, "truncated", &j);
	json_name_int(&j, "kept_bytes", (int64_t)w->output_kept);
	json_name_int(&j, "limit_bytes", (int64_t)w->output_max);
	return event_end(w, &j, e);
}

static int
write_output(struct spool_writer *w, int stream, const char *text, size_t len,
    struct err *e)
{
	struct json_out j;

	event_begin(w, "output", &j);
	json_name_text(&j, "stream", stream_names[stream]);
	json_name_string(&j, "text", text, len);
	return event_end(w, &j, e);
}

/* Of w->text, the bytes that an earlier runner has told. */
static size_t
told_bytes(struct spool_writer *w, int stream)
{
	size_t n;

	if (w->replay == NULL)
		return 0;
	n = w->replay->output[stream];
	if (n > w->text.len)
		n = w->text.len;
	w->replay->output[stream] -= n;
	return n;
}

/* Writes w->text as events, as far as the limit allows. */
static int
write_text(struct spool_writer *w, int stream, struct err *e)
{
	size_t at = told_bytes(w, stream);

	while (at < w->text.len && !w->truncated) {
		size_t room = w->output_max - w->output_kept;
		size_t n = w->text.len - at;

		if (n > OUTPUT_EVENT_MAX)
			n = OUTPUT_EVENT_MAX;
		if (n > room)
			n = room;
		if (at + n < w->text.len)
			n = utf8_whole(w->text.data + at, n);
		if (n > 0 &&
		    write_output(w, stream, w->text.data + at, n, e) == -1)
			return -1;
		w->output_kept += n;
		at += n;
		if (at < w->text.len && (n == 0 || n == room) &&
		    write_truncated(w, e) == -1)
			return -1;
	}
	w->output_dropped += w->text.len - at;
	buf_reset(&w->text);
	return 0;
}

int
spool_output(struct spool_writer *w, const char *stream, const char *bytes,
    size_t len, struct err *e)
{
	int s = strcmp(stream, stream_names[STREAM_STDERR]) == 0
	    ? STREAM_STDERR
	    : STREAM_STDOUT;

	while (len > 0) {
		size_t n = len < GATE_PIECE ? len : GATE_PIECE;

		if (w->truncated) {
			w->output_dropped += len;
			return 0;
		}
		if (gate_feed(&w->gates[s], &w->text, bytes, n, e) == -1 ||
		    write_text(w, s, e) == -1)
			return -1;
		bytes += n;
		len -= n;
	}
	return 0;
}

int
spool_output_end(struct spool_writer *w, struct err *e)
{
	for (int i = 0; i < STREAM_N; i++) {
		if (gate_end(&w->gates[i], &w->text, e) == -1 ||
		    write_text(w, i, e) == -1)
			return -1;
	}
	return 0;
}
