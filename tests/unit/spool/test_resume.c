/* What a second runner of an attempt writes, and what it is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "spool/memo.h"
#include "spool/spool.h"
#include "util/json.h"

#define OUTPUT_MAX ((size_t)4096)
#define EVENTS_MAX ((size_t)256 * 1024)

/* What two commands say; the characters have one to four bytes. */
static const char said[] = "one\ntwo \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 "
			   "three\nand so on\n";
static const char complained[] = "first \xc3\xbc\nsecond\n";

static struct redact *
new_redact(void)
{
	struct redact *r;
	struct err e = { 0 };

	assert_int_equal(redact_new(&r, &e), 0);
	return r;
}

static struct spool_writer *
open_writer(const struct folder *f, const struct redact *r, size_t max)
{
	struct spool_writer *w;
	struct err e = { 0 };

	assert_int_equal(spool_writer_open(&w, f->fd, r, max, &e), 0);
	return w;
}

/* Gives bytes in pieces of this size. */
static void
put_output(struct spool_writer *w, const char *stream, const char *bytes,
    size_t piece)
{
	size_t len = strlen(bytes);
	struct err e = { 0 };

	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		assert_int_equal(spool_output(w, stream, bytes + at, n, &e), 0);
	}
}

/* A whole run; a resumed one has its words cut elsewhere. */
static void
tell_all(struct spool_writer *w, size_t piece, const char *took)
{
	struct err e = { 0 };

	assert_int_equal(spool_step(w, "clone", "started", NULL, &e), 0);
	assert_int_equal(spool_step(w, "clone", "done", took, &e), 0);
	assert_int_equal(spool_step(w, "agent", "started", NULL, &e), 0);
	put_output(w, "stdout", said, piece);
	assert_int_equal(spool_note(w, "note", "the same twice", &e), 0);
	put_output(w, "stderr", complained, piece);
	assert_int_equal(spool_note(w, "note", "the same twice", &e), 0);
	assert_int_equal(spool_output_end(w, &e), 0);
	assert_int_equal(spool_step(w, "agent", "done", took, &e), 0);
}

struct seen {
	char out[2048], err[2048];
	unsigned int steps, notes, truncated, events;
};

static void
see(struct seen *s, const struct spool_event *ev)
{
	struct json_object *o;
	struct err e = { 0 };
	const char *stream, *text;
	size_t len;

	s->events++;
	assert_int_equal(ev->seq, s->events);
	assert_string_not_equal(ev->kind, "warning");
	s->steps += strcmp(ev->kind, "step") == 0;
	s->notes += strcmp(ev->kind, "note") == 0;
	s->truncated += strcmp(ev->kind, "truncated") == 0;
	if (strcmp(ev->kind, "output") != 0)
		return;
	assert_int_equal(json_read(&o, ev->data, ev->data_len, &e), 0);
	assert_int_equal(json_get_string(o, "stream", &stream, &len),
	    JSON_FOUND);
	assert_int_equal(json_get_string(o, "text", &text, &len), JSON_FOUND);
	(void)strcat(strcmp(stream, "stdout") == 0 ? s->out : s->err, text);
	json_free(o);
}

static void
see_all(const struct folder *f, struct seen *s)
{
	struct spool_reader *r;
	struct spool_event ev;
	struct err e = { 0 };

	memset(s, 0, sizeof(*s));
	assert_int_equal(spool_reader_open(&r, f->fd, 0, &e), 0);
	while (spool_reader_next(r, &ev, &e) == 1)
		see(s, &ev);
	spool_reader_close(r);
}

/* Dies behind every byte of its events; another one does it all again. */
static void
test_each_event_once_after_any_death(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	static char events[EVENTS_MAX];
	struct spool_writer *w = open_writer(f, redact, OUTPUT_MAX);
	struct err e = { 0 };
	struct seen s;
	size_t len;

	tell_all(w, 5, "\"took_ms\":7");
	spool_writer_close(w);
	len = folder_read(f, "events.ndjson", events, sizeof(events));
	for (size_t at = 0; at <= len; at++) {
		folder_write(f, "events.ndjson", events, at);
		w = open_writer(f, redact, OUTPUT_MAX);
		assert_int_equal(spool_writer_resume(w, &e), 0);
		tell_all(w, 3, "\"took_ms\":8");
		spool_writer_close(w);
		see_all(f, &s);
		assert_string_equal(s.out, said);
		assert_string_equal(s.err, complained);
		assert_int_equal(s.steps, 4);
		assert_int_equal(s.notes, 2);
	}
	redact_free(redact);
}

static void
test_what_is_new_is_written(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, OUTPUT_MAX);
	struct err e = { 0 };
	struct seen s;

	assert_int_equal(spool_note(w, "note", "once", &e), 0);
	spool_writer_close(w);
	w = open_writer(f, redact, OUTPUT_MAX);
	assert_int_equal(spool_writer_resume(w, &e), 0);
	assert_int_equal(spool_note(w, "note", "another", &e), 0);
	assert_int_equal(spool_note(w, "note", "once", &e), 0);
	assert_int_equal(spool_note(w, "note", "once", &e), 0);
	spool_writer_close(w);
	see_all(f, &s);
	assert_int_equal(s.notes, 3);
	redact_free(redact);
}

static void
test_the_limit_counts_for_both(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct err e = { 0 };
	struct seen s;
	struct spool_writer *w;

	for (int i = 0; i < 3; i++) {
		w = open_writer(f, redact, 20);
		assert_int_equal(spool_writer_resume(w, &e), 0);
		tell_all(w, (size_t)i + 2, "\"took_ms\":1");
		spool_writer_close(w);
	}
	see_all(f, &s);
	assert_true(strlen(s.out) + strlen(s.err) <= 20);
	assert_int_equal(s.truncated, 1);
	redact_free(redact);
}

static void
test_how_long_steps_took(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, OUTPUT_MAX);
	struct err e = { 0 };
	int64_t began_us, took_ms;

	assert_int_equal(spool_step(w, "clone", "started", NULL, &e), 0);
	assert_int_equal(spool_step(w, "clone", "done", "\"took_ms\":71", &e),
	    0);
	assert_int_equal(spool_step(w, "agent", "started", NULL, &e), 0);
	assert_false(spool_step_told(w, "clone", &began_us, &took_ms));
	spool_writer_close(w);
	w = open_writer(f, redact, OUTPUT_MAX);
	assert_int_equal(spool_writer_resume(w, &e), 0);
	assert_true(spool_step_told(w, "clone", &began_us, &took_ms));
	assert_int_equal(took_ms, 71);
	assert_true(began_us > INT64_C(1700000000) * 1000000);
	assert_true(spool_step_told(w, "agent", &began_us, &took_ms));
	assert_int_equal(took_ms, -1);
	assert_false(spool_step_told(w, "collect", &began_us, &took_ms));
	spool_writer_close(w);
	redact_free(redact);
}

static void
test_memo(void **state)
{
	struct folder *f = *state;
	struct memo in = { .runs = 3,
		.began_us = 12345,
		.v1 = true,
		.cut_run = 2,
		.cut_early = true },
		    out;
	struct err e = { 0 };

	assert_int_equal(memo_read(f->fd, &out, &e), -1);
	assert_int_equal(e.kind, ERR_ABSENT);
	(void)strcpy(in.nonce, "0123456789abcdef0123456789abcdef");
	(void)strcpy(in.id, "abc-1");
	(void)strcpy(in.secrets, "0123456789abcdef0123456789abcdef");
	assert_int_equal(memo_write(f->fd, &in, &e), 0);
	assert_int_equal(memo_read(f->fd, &out, &e), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(memo_forget(f->fd, &e), 0);
	assert_int_equal(memo_forget(f->fd, &e), 0);
	assert_int_equal(memo_read(f->fd, &out, &e), -1);
}

static void
test_no_memo(void **state)
{
#define REST ",\"cut_run\":0,\"cut_early\":false,\"secrets\":\"\"}"
	static const char *const bad[] = { "", "{", "{}", "[]", "null",
		"{\"nonce\":\"xyz\",\"id\":\"a\",\"v1\":false,\"runs\":1,"
		"\"began_us\":1" REST,
		"{\"nonce\":\"ab\",\"id\":\"../a\",\"v1\":false,\"runs\":1,"
		"\"began_us\":1" REST,
		"{\"nonce\":\"\",\"id\":\"a\",\"v1\":false,\"runs\":1,"
		"\"began_us\":1" REST,
		"{\"nonce\":\"ab\",\"id\":\"a\",\"v1\":false,\"runs\":-1,"
		"\"began_us\":1" REST,
		"{\"nonce\":\"ab\",\"id\":\"a\",\"v1\":0,\"runs\":1,"
		"\"began_us\":1" REST,
		"{\"nonce\":\"ab\",\"id\":\"a\",\"v1\":false,\"runs\":1e9,"
		"\"began_us\":1" REST };
	struct folder *f = *state;
	struct memo out;
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		folder_write(f, "sandbox.json", bad[i], strlen(bad[i]));
		assert_int_equal(memo_read(f->fd, &out, &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
	}
}

static void
test_resumes_are_counted(void **state)
{
	struct folder *f = *state;
	struct err e = { 0 };

	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(memo_resumes(f->fd), i);
		assert_int_equal(memo_resumes_add(f->fd, &e), 0);
	}
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_each_event_once_after_any_death),
		IN_FOLDER(test_what_is_new_is_written),
		IN_FOLDER(test_the_limit_counts_for_both),
		IN_FOLDER(test_how_long_steps_took),
		IN_FOLDER(test_memo),
		IN_FOLDER(test_no_memo),
		IN_FOLDER(test_resumes_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
