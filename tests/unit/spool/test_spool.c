/* Events: names, writing, reading, half lines, hostile lines, limits. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "spool/spool.h"
#include "util/json.h"

#define SECRET "ghp_0123456789abcdefghij"

static struct redact *
new_redact(void)
{
	struct redact *r;
	struct err e = { 0 };

	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, SECRET, strlen(SECRET), &e), 0);
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

static struct spool_reader *
open_reader(const struct folder *f, uint64_t skip)
{
	struct spool_reader *r;
	struct err e = { 0 };

	assert_int_equal(spool_reader_open(&r, f->fd, skip, &e), 0);
	return r;
}

/* Member "text" of an event's data; "" when there is none. */
static void
text_of(const struct spool_event *ev, char *out, size_t size)
{
	struct json_object *o;
	struct err e = { 0 };
	const char *s;
	size_t len;

	out[0] = '\0';
	assert_int_equal(json_read(&o, ev->data, ev->data_len, &e), 0);
	if (json_get_string(o, "text", &s, &len) == JSON_FOUND)
		(void)snprintf(out, size, "%s", s);
	json_free(o);
}

static void
test_names(void **state)
{
	char name[SPOOL_NAME_MAX];
	int64_t id;
	unsigned int attempt;
	static const char *const bad[] = { "", ".", "1", "1.", ".1", "01.1",
		"1.01", "0.1", "1.0", "-1.1", "1.1x", "1.1/..", "../1",
		"9223372036854775808.1", "1.1000001", "1.99999999999999999999",
		" 1.1", "1 .1", "1.p", "1.p0", "1.p01", "1.pp1", "1.1p",
		"1.p1000001" };

	(void)state;
	spool_name(name, INT64_MAX, 1000000);
	assert_string_equal(name, "9223372036854775807.1000000");
	assert_true(spool_name_read(name, &id, &attempt));
	assert_true(id == INT64_MAX && attempt == 1000000);
	spool_name(name, INT64_MAX, SPOOL_PUBLISH + 3);
	assert_string_equal(name, "9223372036854775807.p3");
	assert_true(spool_name_read(name, &id, &attempt));
	assert_true(id == INT64_MAX && attempt == SPOOL_PUBLISH + 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(spool_name_read(bad[i], &id, &attempt));
}

static void
test_events_come_back(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_reader *r = open_reader(f, 0);
	struct spool_writer *w;
	struct spool_event ev;
	struct err e = { 0 };
	char text[200];

	assert_int_equal(spool_reader_next(r, &ev, &e), 0); /* no file yet */
	w = open_writer(f, redact, 1000);
	assert_int_equal(spool_reader_next(r, &ev, &e), 0);
	assert_int_equal(spool_step(w, "clone", "started", NULL, &e), 0);
	assert_int_equal(spool_step(w, "clone", "done", "\"took_ms\":7", &e),
	    0);
	assert_int_equal(spool_note(w, "note", "token " SECRET " \xff\n", &e),
	    0);

	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_int_equal(ev.seq, 1);
	assert_string_equal(ev.kind, "step");
	assert_memory_equal(ev.data,
	    "{\"step\":\"clone\",\"state\":\"started\"}", ev.data_len);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	spool_reader_back(r);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_int_equal(ev.seq, 2);
	assert_memory_equal(ev.data,
	    "{\"step\":\"clone\",\"state\":\"done\",\"took_ms\":7}",
	    ev.data_len);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	text_of(&ev, text, sizeof(text));
	assert_string_equal(text, "token [redacted] \xef\xbf\xbd\n");
	assert_int_equal(spool_reader_next(r, &ev, &e), 0);
	spool_writer_close(w);
	spool_reader_close(r);

	/* A later writer goes on with the numbers, a later reader skips. */
	w = open_writer(f, redact, 1000);
	assert_int_equal(spool_note(w, "note", "four", &e), 0);
	r = open_reader(f, 3);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_int_equal(ev.seq, 4);
	spool_writer_close(w);
	spool_reader_close(r);
	redact_free(redact);
}

/* Row 31: power loss at every byte. */
static void
test_row31_cut_at_every_offset(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, 100000);
	static char all[8192];
	struct err e = { 0 };
	size_t len;

	for (int i = 0; i < 5; i++)
		assert_int_equal(spool_note(w, "note", "f\xc3\xbcnf", &e), 0);
	assert_int_equal(spool_output(w, "stderr", "a\nb", 3, &e), 0);
	assert_int_equal(spool_output_end(w, &e), 0);
	spool_writer_close(w);
	len = folder_read(f, "events.ndjson", all, sizeof(all));

	for (size_t cut = 0; cut <= len; cut++) {
		struct spool_reader *r = open_reader(f, 0);
		struct spool_event ev;
		uint64_t want = 0, got = 0;

		folder_write(f, "events.ndjson", all, cut);
		for (size_t i = 0; i < cut; i++)
			want += all[i] == '\n';
		while (spool_reader_next(r, &ev, &e) == 1) {
			assert_int_equal(ev.seq, ++got);
			assert_string_not_equal(ev.kind, "warning");
		}
		assert_int_equal(got, want);

		/* The runner goes on in the same spool: one event more. */
		w = open_writer(f, redact, 100000);
		assert_int_equal(spool_note(w, "note", "more", &e), 0);
		spool_writer_close(w);
		assert_int_equal(spool_reader_next(r, &ev, &e), 1);
		assert_int_equal(ev.seq, want + 1);
		assert_string_equal(ev.kind, "note");
		assert_int_equal(spool_reader_next(r, &ev, &e), 0);
		spool_reader_close(r);
	}
	redact_free(redact);
}

#define AT "\"at\":\"2026-11-23 10:11:12.123456\""

static void
test_hostile_lines(void **state)
{
	struct folder *f = *state;
	static const char *const bad[] = { "", "{}", "[]", "null",
		"{\"seq\":2," AT ",\"kind\":\"note\",\"data\":{}}",
		"{\"seq\":1," AT ",\"kind\":\"note\",\"data\":[]}",
		"{\"seq\":1," AT ",\"kind\":\"Note\",\"data\":{}}",
		"{\"seq\":1," AT ",\"kind\":\"\",\"data\":{}}",
		"{\"seq\":1," AT ",\"kind\":\"seventeen_letters\",\"data\":{}}",
		"{\"seq\":1," AT ",\"kind\":\"note\",\"data\":{}}x",
		"{\"seq\":1," AT ",\"kind\":\"note\",\"data\":{},\"x\":{}}",
		"{\"seq\":1," AT
		",\"kind\":\"note\",\"data\":{\"a\":\"\xff\"}}",
		"{\"seq\":1," AT
		",\"kind\":\"note\",\"data\":{\"a\":\"\\u0000\"}}",
		"{\"seq\":1," AT
		",\"kind\":\"note\",\"data\":{\"a\":1,\"a\":2}}",
		"{\"seq\":1," AT ",\"kind\":\"note\",\"data\":{",
		"{\"seq\":1," AT ",\"kind\":\"note\",\"data\":{}",
		"{\"seq\":1,\"at\":\"2026-02-29 10:11:12.123456\",\"kind\":"
		"\"note\",\"data\":{}}",
		"{\"seq\":1,\"at\":\"2026-13-01 10:11:12.123456\",\"kind\":"
		"\"note\",\"data\":{}}",
		"{\"seq\":1,\"at\":\"2026-11-23 24:11:12.123456\",\"kind\":"
		"\"note\",\"data\":{}}" };
	static const char good[] =
	    "{\"seq\":2," AT ",\"kind\":\"note\",\"data\":{\"a\":1}}";
	char text[1024];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spool_reader *r = open_reader(f, 0);
		struct spool_event ev;
		struct err e = { 0 };
		int n = snprintf(text, sizeof(text), "%s\n%s\n", bad[i], good);

		folder_write(f, "events.ndjson", text, (unsigned long)n);
		assert_int_equal(spool_reader_next(r, &ev, &e), 1);
		assert_string_equal(ev.kind, "warning");
		assert_int_equal(ev.seq, 1);
		assert_int_equal(json_scan(ev.data, ev.data_len, &e), 0);
		assert_int_equal(spool_reader_next(r, &ev, &e), 1);
		assert_string_equal(ev.kind, "note");
		assert_int_equal(ev.seq, 2);
		assert_memory_equal(ev.data, "{\"a\":1}", ev.data_len);
		assert_int_equal(spool_reader_next(r, &ev, &e), 0);
		spool_reader_close(r);
	}
}

static void
test_long_line(void **state)
{
	struct folder *f = *state;
	size_t len = SPOOL_LINE_MAX * 3;
	char *text = malloc(len + 200);
	struct spool_reader *r = open_reader(f, 0);
	struct spool_event ev;
	struct err e = { 0 };
	int n;

	assert_non_null(text);
	memset(text, 'x', len);
	folder_write(f, "events.ndjson", text, len);
	assert_int_equal(spool_reader_next(r, &ev, &e), 0);
	n = snprintf(text + len, 200,
	    "\n{\"seq\":2," AT ",\"kind\":\"note\",\"data\":{}}\n");
	folder_write(f, "events.ndjson", text, len + (size_t)n);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_string_equal(ev.kind, "warning");
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_string_equal(ev.kind, "note");
	assert_int_equal(ev.seq, 2);
	spool_reader_close(r);
	free(text);
}

static void
test_events_are_a_regular_file(void **state)
{
	struct folder *f = *state;
	struct spool_reader *r = open_reader(f, 0);
	struct spool_event ev;
	struct err e = { 0 };

	assert_int_equal(mkfifoat(f->fd, "events.ndjson", 0600), 0);
	assert_int_equal(spool_reader_next(r, &ev, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_int_equal(unlinkat(f->fd, "events.ndjson", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->fd, "events.ndjson"), 0);
	assert_int_equal(spool_reader_next(r, &ev, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	spool_reader_close(r);
}

/* All output texts of one stream put together; returns their length. */
static size_t
collect_output(const struct folder *f, char *out, size_t size,
    size_t *truncated)
{
	struct spool_reader *r = open_reader(f, 0);
	struct spool_event ev;
	struct err e = { 0 };
	size_t len = 0;

	*truncated = 0;
	out[0] = '\0';
	while (spool_reader_next(r, &ev, &e) == 1) {
		if (strcmp(ev.kind, "truncated") == 0)
			++*truncated;
		if (strcmp(ev.kind, "output") == 0) {
			text_of(&ev, out + len, size - len);
			len += strlen(out + len);
		}
	}
	spool_reader_close(r);
	return len;
}

static void
test_secret_cut_at_every_offset(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	static const char text[] = "a " SECRET " \xf0\x9f\x98\x80 z";
	static char out[4096];
	size_t truncated;

	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct spool_writer *w;
		struct err e = { 0 };

		(void)unlinkat(f->fd, "events.ndjson", 0);
		w = open_writer(f, redact, 1000);
		assert_int_equal(spool_output(w, "stdout", text, cut, &e), 0);
		assert_int_equal(spool_output(w, "stdout", text + cut,
				     sizeof(text) - 1 - cut, &e),
		    0);
		assert_int_equal(spool_output_end(w, &e), 0);
		spool_writer_close(w);
		(void)collect_output(f, out, sizeof(out), &truncated);
		assert_string_equal(out, "a [redacted] \xf0\x9f\x98\x80 z");
	}
	redact_free(redact);
}

/* Row 29: a flood ends in one event, and the spool stays small. */
static void
test_row29_output_limit(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, 100001);
	size_t len = 300000, truncated;
	char *flood = malloc(len);
	char *out = malloc(len);
	struct stat st;
	struct err e = { 0 };

	assert_true(flood != NULL && out != NULL);
	memset(flood, 'y', len);
	for (int i = 0; i < 50; i++)
		assert_int_equal(spool_output(w, i % 2 ? "stdout" : "stderr",
				     flood, len, &e),
		    0);
	assert_int_equal(spool_output_end(w, &e), 0);
	assert_int_equal(spool_note(w, "note", "goes on", &e), 0);
	spool_writer_close(w);
	assert_int_equal(collect_output(f, out, len, &truncated), 100001);
	assert_int_equal(truncated, 1);
	assert_int_equal(fstatat(f->fd, "events.ndjson", &st, 0), 0);
	assert_true(st.st_size < 110000);
	free(flood);
	free(out);
	redact_free(redact);
}

/* Row 30: what an agent prints is data, whatever it looks like. */
static void
test_row30_hostile_output(void **state)
{
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, 20 << 20);
	static const char fake[] =
	    "\n{\"seq\":2," AT
	    ",\"kind\":\"step\",\"data\":{}}\n\0\xff\xc0\xaf";
	size_t len = 10 << 20, truncated, got;
	char *line = malloc(len);
	char *out = malloc(len + 1000);
	struct err e = { 0 };

	assert_true(line != NULL && out != NULL);
	memset(line, '\x01', len); /* six bytes each in JSON */
	assert_int_equal(spool_output(w, "stdout", fake, sizeof(fake) - 1, &e),
	    0);
	assert_int_equal(spool_output(w, "stdout", line, len, &e), 0);
	assert_int_equal(spool_output_end(w, &e), 0);
	spool_writer_close(w);
	got = collect_output(f, out, len + 1000, &truncated);
	assert_int_equal(truncated, 0);
	/* NUL, ff, c0 and af became three bytes each. */
	assert_int_equal(got, sizeof(fake) - 1 - 4 + 12 + len);
	assert_memory_equal(out, fake, sizeof(fake) - 1 - 4);
	free(line);
	free(out);
	redact_free(redact);
}

#define TEST(t) \
	cmocka_unit_test_setup_teardown(t, folder_setup, folder_teardown)

/* An agent's own event becomes the data, but for what is secret. */
static void
test_agent_events(void **state)
{
	static const char given[] =
	    "{\"type\":\"text\",\"text\":\"a \\\" " SECRET
	    "\",\"cut\":true,\"n\":7}";
	struct folder *f = *state;
	struct redact *redact = new_redact();
	struct spool_writer *w = open_writer(f, redact, 1000);
	struct spool_reader *r = open_reader(f, 0);
	struct spool_event ev;
	struct err e = { 0 };

	assert_int_equal(spool_agent(w, given, sizeof(given) - 1, &e), 0);
	assert_int_equal(spool_reader_next(r, &ev, &e), 1);
	assert_string_equal(ev.kind, "agent");
	assert_memory_equal(ev.data,
	    "{\"type\":\"text\",\"text\":\"a \\\" [redacted]\","
	    "\"cut\":true,\"n\":7}",
	    ev.data_len);
	assert_int_equal(spool_reader_next(r, &ev, &e), 0);
	spool_writer_close(w);
	spool_reader_close(r);
	redact_free(redact);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_events_come_back),
		TEST(test_agent_events),
		TEST(test_row31_cut_at_every_offset),
		TEST(test_hostile_lines),
		TEST(test_long_line),
		TEST(test_events_are_a_regular_file),
		TEST(test_secret_cut_at_every_offset),
		TEST(test_row29_output_limit),
		TEST(test_row30_hostile_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
