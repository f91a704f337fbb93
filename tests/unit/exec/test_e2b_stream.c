#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exec/e2b_envelope.h"
#include "exec/e2b_event.h"
#include "util/encode.h"

struct seen {
	size_t count, lasts;
	struct buf text;
};

static int
note(void *ctx, bool last, const char *message, size_t len, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	s->count++;
	s->lasts += last ? 1 : 0;
	buf_add(&s->text, message, len);
	buf_putc(&s->text, '|');
	return 0;
}

static void
make_stream(struct buf *b)
{
	envelope_write(b, "{\"a\":1}", 7);
	envelope_write(b, "", 0);
	envelope_write(b, "{ }", 3);
	buf_add(b, "\2\0\0\0\2{}", 7);
}

static void
feed_by(const struct buf *b, size_t size)
{
	struct envelope_reader r;
	struct seen s = { .text = BUF(1000) };
	struct err e = { 0 };

	envelope_start(&r);
	for (size_t at = 0; at < b->len; at += size)
		assert_int_equal(envelope_feed(&r, b->data + at,
				     b->len - at < size ? b->len - at : size,
				     note, &s, &e),
		    0);
	assert_int_equal(s.count, 4);
	assert_int_equal(s.lasts, 1);
	assert_true(r.ended);
	assert_string_equal(s.text.data, "{\"a\":1}||{ }|{}|");
	buf_clear(&s.text);
	envelope_clear(&r);
}

static void
test_any_cut(void **state)
{
	struct buf b = BUF(1000);

	(void)state;
	make_stream(&b);
	for (size_t size = 1; size <= b.len; size++)
		feed_by(&b, size);
	buf_clear(&b);
}

/* Several large frames at once, of the largest size that is allowed. */
static void
test_large(void **state)
{
	struct buf b = BUF(8 * ENVELOPE_MAX), big = BUF(ENVELOPE_MAX);
	struct seen s = { .text = BUF(8 * ENVELOPE_MAX) };
	struct envelope_reader r;
	struct err e = { 0 };

	(void)state;
	memset(buf_reserve(&big, ENVELOPE_MAX), 'x', ENVELOPE_MAX);
	big.len = ENVELOPE_MAX;
	for (int i = 0; i < 3; i++)
		envelope_write(&b, big.data, big.len);
	envelope_start(&r);
	assert_int_equal(envelope_feed(&r, b.data, b.len, note, &s, &e), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.text.len, 3 * (ENVELOPE_MAX + 1));
	envelope_clear(&r);
	buf_clear(&s.text);
	buf_clear(&big);
	buf_clear(&b);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\1\0\0\0\2{}", 7 },              /* compressed */
		{ "\4\0\0\0\2{}", 7 },              /* no such flag */
		{ "\0\0\x10\0\1", 5 },              /* too large */
		{ "\0\xff\xff\xff\xff", 5 },        /* much too large */
		{ "\2\0\0\0\2{}\0\0\0\0\2{}", 14 }, /* behind the end */
		{ "HTTP/1.1 200", 12 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct seen s = { .text = BUF(100) };
		struct envelope_reader r;
		struct err e = { 0 };

		envelope_start(&r);
		assert_int_equal(
		    envelope_feed(&r, bad[i].bytes, bad[i].len, note, &s, &e),
		    -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		envelope_clear(&r);
		buf_clear(&s.text);
	}
}

static void
read_event(struct e2b_event *ev, bool last, const char *text)
{
	struct err e = { 0 };

	assert_int_equal(e2b_event_read(ev, last, text, strlen(text), &e), 0);
	e2b_event_clear(ev);
}

static void
test_events(void **state)
{
	struct e2b_event ev;

	(void)state;
	read_event(&ev, false, "{\"event\":{\"start\":{\"pid\":1234}}}");
	assert_true(ev.kind == E2B_EVENT_START && ev.pid == 1234);
	/* Proto3's JSON leaves zeros out; white space and news are allowed. */
	read_event(&ev, false,
	    "{ \"event\" : { \"end\" : { \"exited\" : true } }, \"new\": 1 }");
	assert_true(ev.kind == E2B_EVENT_END && ev.code == 0);
	read_event(&ev, false,
	    "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true}}}");
	assert_true(ev.kind == E2B_EVENT_END && ev.code == 3);
	read_event(&ev, false,
	    "{\"event\":{\"end\":{\"exitCode\":-1,\"status\":\"signal: "
	    "killed\"}}}");
	assert_true(ev.kind == E2B_EVENT_END && ev.code == -1);
	read_event(&ev, false, "{\"event\":{\"keepalive\":{}}}");
	assert_int_equal(ev.kind, E2B_EVENT_OTHER);
	read_event(&ev, false, "{\"event\":{\"news\":{}}}");
	assert_int_equal(ev.kind, E2B_EVENT_OTHER);
	read_event(&ev, false, "{}");
	assert_int_equal(ev.kind, E2B_EVENT_OTHER);
	read_event(&ev, false, "");
	assert_int_equal(ev.kind, E2B_EVENT_OTHER);
}

static void
test_data(void **state)
{
	static const char text[] =
	    "{\"event\":{\"data\":{\"stderr\":\"AMP/\"}}}";
	struct e2b_event ev;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(e2b_event_read(&ev, false, text, strlen(text), &e), 0);
	assert_int_equal(ev.kind, E2B_EVENT_STDERR);
	assert_int_equal(ev.data.len, 3);
	assert_memory_equal(ev.data.data, "\0\xc3\xff", 3);
	e2b_event_clear(&ev);
}

static void
test_last(void **state)
{
	struct e2b_event ev;

	(void)state;
	read_event(&ev, true, "{}");
	assert_true(ev.kind == E2B_EVENT_LAST && ev.error[0] == '\0');
	read_event(&ev, true, "{\"metadata\":{\"a\":[\"b\"]}}");
	assert_true(ev.kind == E2B_EVENT_LAST && ev.error[0] == '\0');
	read_event(&ev, true,
	    "{\"error\":{\"code\":\"not_found\",\"message\":\"no pid\"}}");
	assert_string_equal(ev.error, "not_found");
	assert_string_equal(ev.text, "no pid");
	read_event(&ev, true, "{\"error\":{}}");
	assert_string_equal(ev.error, "unknown");
}

static void
test_broken_events(void **state)
{
	static const char *const bad[] = { "[]", "nonsense",
		"{\"event\":", "{\"event\":{\"start\":{}}}",
		"{\"event\":{\"start\":{\"pid\":-1}}}",
		"{\"event\":{\"data\":{\"stdout\":\"?\"}}}",
		"{\"event\":{\"data\":{\"stdout\":\"AAA\"}}}",
		"{\"event\":{\"end\":{\"exitCode\":\"x\"}}}",
		"{\"event\":{\"end\":{\"exitCode\":70000}}}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct e2b_event ev;
		struct err e = { 0 };

		assert_int_equal(
		    e2b_event_read(&ev, false, bad[i], strlen(bad[i]), &e), -1);
		assert_int_equal(e.kind, ERR_BROKEN);
		e2b_event_clear(&ev);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_cut),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_broken_events),
	};
	struct err e = { 0 };

	return encode_init(&e) == -1
	    ? 1
	    : cmocka_run_group_tests(tests, NULL, NULL);
}
