#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/redact.h"

/*
 * spool: the folder of one attempt, STATE_DIR/spool/TASK.ATTEMPT/, where a run
 * and the reaper meet (design, invariants 3 to 5):
 *
 *	lock           flock held from before the runner's fork to its death;
 *	               contents: "PID START_TIME\n" of the runner
 *	spec.json      what to do; no secrets (spool/spec.h)
 *	events.ndjson  append-only, one object a line:
 *	               {"seq":1,"at":"2026-11-23 10:11:12.123456",
 *	                "kind":"step","data":{...}}
 *	diff, patch, metadata.json   the bulk of the result, written before it
 *	result.json    appears last, by fsync and rename: the attempt is over
 *	runner.log     the runner's standard error
 *	input.patch    of a run that publishes: what it has to apply
 *	sandbox.json   of a run in the cloud: which sandbox it has, for the
 *	               runner that goes on after this one has died
 *	               (spool/memo.h)
 *	resumes        a byte for each runner that has gone on
 *
 * A line counts once its newline is there; a half line at the end (power
 * loss, kill) is as if it had not been written.
 */

#define SPOOL_LINE_MAX (256u * 1024) /* one event, with its newline */
#define SPOOL_KIND_MAX 16

/*
 * "TASK.ATTEMPT" and back. Attempts above SPOOL_PUBLISH are those of pushing
 * the task's pull request: "TASK.pN", N = ATTEMPT - SPOOL_PUBLISH.
 */
#define SPOOL_NAME_MAX 40
#define SPOOL_PUBLISH 1000000u
#define SPOOL_PATCH "input.patch"
void spool_name(char out[SPOOL_NAME_MAX], int64_t task_id,
    unsigned int attempt);
bool spool_name_read(const char *name, int64_t *task_id, unsigned int *attempt);

/*
 * The writer: the runner's only way out. All data passes the redactor.
 * Kinds of events: "step", "output", "note", "truncated", "warning", "agent".
 */
struct spool_writer;

/*
 * Opens folder dirfd for writing, and goes on behind the last whole line that
 * is there (a half one is cut). output_max: bytes of "output" events kept; then
 * one "truncated" event, and later output is counted and dropped.
 */
int spool_writer_open(struct spool_writer **w, int dirfd,
    const struct redact *redact, size_t output_max, struct err *e) MUST_CHECK;
void spool_writer_close(struct spool_writer *w); /* takes NULL */

/*
 * For a runner that takes up an attempt whose runner has died: what stands in
 * the folder has been told. From now on the same is told again, as the steps
 * are gone through and the commands give their output again from its first
 * byte, and what is there is not written a second time.
 */
int spool_writer_resume(struct spool_writer *w, struct err *e) MUST_CHECK;

/*
 * When a step began (by the wall clock) and how long it took (-1: it has not
 * ended), as an earlier runner told. False: it did not.
 */
bool spool_step_told(const struct spool_writer *w, const char *name,
    int64_t *began_us, int64_t *took_ms);

/*
 * {"step":name,"state":"started|done|failed"}; extra_json: more members, as
 * they stand between braces ("\"took_ms\":7"), or NULL.
 */
int spool_step(struct spool_writer *w, const char *name, const char *state,
    const char *extra_json, struct err *e) MUST_CHECK;

/*
 * Output of a command, stream "stdout" or "stderr": made valid UTF-8, redacted,
 * cut into events of at most 16 KiB. Holds back what may be part of a secret
 * or of a character until spool_output_end().
 */
int spool_output(struct spool_writer *w, const char *stream, const char *bytes,
    size_t len, struct err *e) MUST_CHECK;
int spool_output_end(struct spool_writer *w, struct err *e) MUST_CHECK;

/*
 * What an agent does, in the words of agents/output.h: a JSON object that
 * becomes the event's data. Its strings pass the redactor.
 */
int spool_agent(struct spool_writer *w, const char *json, size_t len,
    struct err *e) MUST_CHECK;

/* kind with {"text":...}, redacted and cleaned. */
int spool_note(struct spool_writer *w, const char *kind, const char *text,
    struct err *e) MUST_CHECK;

/*
 * The outcome of an attempt that did not begin, because the cloud account runs
 * as many sandboxes as it may: failure and error say what will be the end when
 * that does not change.
 */
#define SPOOL_DEFERRED "deferred"

/* The result, as it is written and read. Strings NULL when absent. */
struct spool_result {
	char *outcome; /* "completed", "failed", "cancelled", "deferred" */
	char *failure; /* name of the failure class, or NULL */
	char *error;
	char *commit_hash;
	char *sandbox_id;
	char *message;       /* the agent's words */
	char *changed_files; /* JSON array */
	char *diff;
	size_t diff_len;
	char *patch;
	size_t patch_len;
	char *metadata; /* JSON object */
};

void spool_result_clear(struct spool_result *r); /* takes a zeroed struct */

/* Flushes and fsyncs events, writes the bulk files, then result.json. */
int spool_finish(struct spool_writer *w, const struct spool_result *r,
    struct err *e) MUST_CHECK;

/* Reading: the reaper's side. What is in the folder is not trusted. */

struct spool_event {
	uint64_t seq;
	char kind[SPOOL_KIND_MAX + 1];
	char at[27];      /* "YYYY-MM-DD hh:mm:ss.uuuuuu" */
	const char *data; /* JSON, borrowed until the next read */
	size_t data_len;
};

/* Reads on from where it stopped; one per tracked attempt. */
struct spool_reader;

/*
 * dirfd is duplicated. skip: events up to this number are read over (they
 * were shipped by an earlier reaper).
 */
int spool_reader_open(struct spool_reader **r, int dirfd, uint64_t skip,
    struct err *e) MUST_CHECK;

/*
 * The next whole line. 1 with *ev, 0 when there is none yet. A line that is
 * not a valid event (bad JSON, too long, a number out of turn) is never
 * passed on: it becomes one "warning" event in its place, so that
 * numbers have no gap.
 */
int spool_reader_next(struct spool_reader *r, struct spool_event *ev,
    struct err *e) MUST_CHECK;

/*
 * Puts the last event back: the next call gives it again. For batches that
 * did not fit.
 */
void spool_reader_back(struct spool_reader *r);
void spool_reader_close(struct spool_reader *r); /* takes NULL */

/* True once result.json is there. */
bool spool_has_result(int dirfd);

struct spool_result_limits {
	size_t patch_max;
	size_t small_max; /* for result.json and for metadata.json */
};

/*
 * Reads and checks a result: known names, valid UTF-8 and JSON, sizes.
 * ERR_BROKEN when it is not one.
 */
int spool_result_read(int dirfd, const struct spool_result_limits *limits,
    struct spool_result *r, struct err *e) MUST_CHECK;

/*
 * The pid and start time that the runner wrote into its lock file; ERR_ABSENT
 * when it has not yet.
 */
int spool_runner_pid(int dirfd, int64_t *pid, uint64_t *start_time,
    struct err *e) MUST_CHECK;

#endif
