#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/encode.h"
#include "util/redact.h"

#define MARK "[redacted]"
#define ROOM 100000

static const char secret[] = "ghp_A+b/c=d%e?f&0123~";
static const size_t secret_len = sizeof(secret) - 1;

static int
start(void **state)
{
	struct err e = { 0 };

	(void)state;
	return encode_init(&e);
}

static struct redact *
knowing(const char *const *secrets)
{
	struct redact *r = NULL;
	struct err e = { 0 };

	assert_int_equal(redact_new(&r, &e), 0);
	for (; *secrets != NULL; secrets++)
		assert_int_equal(
		    redact_learn(r, *secrets, strlen(*secrets), &e), 0);
	return r;
}

static struct redact *
knowing_one(void)
{
	const char *const one[] = { secret, NULL };

	return knowing(one);
}

static void
percent(struct buf *out, const char *fmt)
{
	static const char lower[] = "0123456789abcdef";
	static const char upper[] = "0123456789ABCDEF";

	for (size_t i = 0; i < secret_len; i++) {
		const char *digits = *fmt == 'x' ? lower : upper;
		unsigned char c = (unsigned char)secret[i];
		bool plain = fmt[1] == '?' && strchr("~_-.", c) == NULL &&
		    c >= '0' && c != '=' && c != '?' && c != '%';

		if (plain)
			buf_putc(out, (char)c);
		else {
			buf_putc(out, '%');
			buf_putc(out, digits[c >> 4]);
			buf_putc(out, digits[c & 15]);
		}
	}
}

/* Base64 of the secret between others' bytes; where it begins is *edge. */
static void
base64(struct buf *out, size_t ahead, size_t behind, int variant)
{
	unsigned char plain[100];
	char text[200];

	memset(plain, 'q', sizeof(plain));
	memcpy(plain + ahead, secret, secret_len);
	(void)sodium_bin2base64(text, sizeof(text), plain,
	    ahead + secret_len + behind, variant);
	buf_puts(out, text);
}

#define FORMS (5 + 4 * 3 * 3)

static void
form(struct buf *out, unsigned int n)
{
	static const int variants[] = { sodium_base64_VARIANT_ORIGINAL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
		sodium_base64_VARIANT_URLSAFE,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING };

	switch (n) {
	case 0:
		buf_add(out, secret, secret_len);
		return;
	case 1:
		percent(out, "x");
		return;
	case 2:
		percent(out, "X");
		return;
	case 3:
		percent(out, "x?");
		return;
	case 4:
		percent(out, "X?");
		return;
	default:
		n -= 5;
		base64(out, n % 3, n / 3 % 3, variants[n / 9]);
	}
}

/*
 * What is left of one form: of base64 a few characters at the edges, which
 * hold others' bits as well and at most 4 bits of the secret each.
 */
static void
check_left(const struct buf *out, unsigned int n)
{
	const char *mark = out->len == 0 ? NULL : strstr(out->data, MARK);

	if (mark == NULL)
		fail_msg("form %u is not found: %s", n, out->data);
	if (n < 5)
		assert_string_equal(out->data, "<" MARK ">");
	else
		assert_true(out->len < sizeof("<" MARK ">") + 10);
}

static void
every_form_cut_at_every_byte_is_redacted(void **state)
{
	struct redact *r = knowing_one();

	(void)state;
	for (unsigned int n = 0; n < FORMS; n++) {
		struct buf text = BUF(ROOM), whole = BUF(ROOM);

		buf_putc(&text, '<');
		form(&text, n);
		buf_putc(&text, '>');
		redact_text(r, &whole, text.data, text.len);
		check_left(&whole, n);
		for (size_t cut = 0; cut <= text.len; cut++) {
			struct redact_stream *s = NULL;
			struct buf out = BUF(ROOM);
			struct err e = { 0 };

			assert_int_equal(redact_stream_new(&s, r, &e), 0);
			redact_feed(s, &out, text.data, cut);
			redact_feed(s, &out, text.data + cut, text.len - cut);
			redact_flush(s, &out);
			assert_string_equal(out.data, whole.data);
			redact_stream_free(s);
			buf_clear(&out);
		}
		buf_clear(&text);
		buf_clear(&whole);
	}
	redact_free(r);
}

static void
byte_by_byte_is_the_same_as_at_once(void **state)
{
	struct redact *r = knowing_one();
	struct buf text = BUF(ROOM), whole = BUF(ROOM), out = BUF(ROOM);
	struct redact_stream *s = NULL;
	struct err e = { 0 };

	(void)state;
	for (unsigned int n = 0; n < FORMS; n++) {
		buf_addf(&text, " number %u: ", n);
		form(&text, n);
		buf_add(&text, secret, n % secret_len); /* a beginning only */
	}
	redact_text(r, &whole, text.data, text.len);
	assert_int_equal(redact_stream_new(&s, r, &e), 0);
	for (size_t i = 0; i < text.len; i++)
		redact_feed(s, &out, text.data + i, 1);
	redact_flush(s, &out);
	assert_int_equal(out.len, whole.len);
	assert_memory_equal(out.data, whole.data, out.len);
	assert_null(strstr(out.data, secret));
	redact_stream_free(s);
	redact_free(r);
	buf_clear(&text);
	buf_clear(&whole);
	buf_clear(&out);
}

static void
only_what_may_begin_a_secret_is_held_back(void **state)
{
	struct redact *r = knowing_one();
	struct redact_stream *s = NULL;
	struct buf out = BUF(ROOM);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(redact_stream_new(&s, r, &e), 0);
	redact_feed(s, &out, "hello\n", 6);
	assert_string_equal(out.data, "hello\n");
	redact_feed(s, &out, "x ghp_", 6);
	assert_string_equal(out.data, "hello\nx ");
	redact_feed(s, &out, "B!", 2);
	assert_string_equal(out.data, "hello\nx ghp_B!");
	redact_feed(s, &out, "ghp_A", 5);
	redact_flush(s, &out);
	assert_string_equal(out.data, "hello\nx ghp_B!ghp_A");
	/* The stream may go on, and does not remember. */
	redact_feed(s, &out, secret + 5, secret_len - 5);
	redact_feed(s, &out, secret, secret_len);
	redact_flush(s, &out);
	assert_non_null(strstr(out.data, "23~" MARK));
	redact_stream_free(s);
	redact_free(r);
	buf_clear(&out);
}

static void
overlapping_secrets_leave_nothing(void **state)
{
	static const char *const secrets[] = { "AAAABBBBCC", "BBBBCCDDDD",
		"AAAABBBBCCDD", "aaaaaaaa", NULL };
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "xAAAABBBBCCDDDDx", "x" MARK "x" },
		{ "xAAAABBBBCCDx", "x" MARK "Dx" },
		{ "aaaaaaaaaaaa", MARK },
		{ "aaaaaaa", "aaaaaaa" },
		{ "AAAABBBBCCAAAABBBBCC", MARK MARK },
		{ "AAAABBBBC", "AAAABBBBC" },
		{ "", "" },
	};
	struct redact *r = knowing(secrets);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 20; step++) {
			size_t len = strlen(cases[i].in);
			struct redact_stream *s = NULL;
			struct buf out = BUF(ROOM);
			struct err e = { 0 };

			assert_int_equal(redact_stream_new(&s, r, &e), 0);
			for (size_t at = 0; at < len; at += step)
				redact_feed(s, &out, cases[i].in + at,
				    len - at < step ? len - at : step);
			redact_flush(s, &out);
			assert_string_equal(out.data == NULL ? "" : out.data,
			    cases[i].out);
			redact_stream_free(s);
			buf_clear(&out);
		}
	redact_free(r);
}

static void
bytes_that_are_no_text_pass(void **state)
{
	struct redact *r = knowing_one();
	struct buf out = BUF(ROOM);
	char all[256];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	redact_text(r, &out, all, sizeof(all));
	assert_int_equal(out.len, sizeof(all));
	assert_memory_equal(out.data, all, sizeof(all));
	buf_clear(&out);
	redact_free(r);
}

/* The secret as the text of a JSON string, depth times over. */
static void
json(struct buf *out, const char *text, unsigned int depth)
{
	struct buf in = BUF(ROOM), next = BUF(ROOM);

	buf_puts(&in, text);
	for (unsigned int i = 0; i < depth; i++) {
		for (size_t k = 0; k < in.len; k++) {
			if (strchr("\"\\/", in.data[k]) != NULL)
				buf_putc(&next, '\\');
			buf_putc(&next, in.data[k]);
		}
		buf_clear(&in);
		in = next;
		next = (struct buf)BUF(ROOM);
	}
	buf_add(out, in.data, in.len);
	buf_clear(&in);
}

/* Cut at each byte, in the middle of other text. */
static void
must_hide(const char *hidden, const char *form)
{
	const char *const one[] = { hidden, NULL };
	struct redact *r = knowing(one);
	size_t len = strlen(form);

	for (size_t at = 0; at <= len; at++) {
		struct redact_stream *s = NULL;
		struct err e = { 0 };
		struct buf out = BUF(ROOM);

		assert_int_equal(redact_stream_new(&s, r, &e), 0);
		redact_feed(s, &out, "{\"a\":\"x", 7);
		redact_feed(s, &out, form, at);
		redact_feed(s, &out, form + at, len - at);
		redact_feed(s, &out, "\"}", 2);
		redact_flush(s, &out);
		assert_string_equal(out.data, "{\"a\":\"x" MARK "\"}");
		redact_stream_free(s);
		buf_clear(&out);
	}
	redact_free(r);
}

static void
secrets_in_json_are_redacted(void **state)
{
	static const char *const secrets[] = { "plain-0123", "ab/c\"d/ef%g",
		"a\\b\"c\\\\d%e", "\\\"\"\\1234", "tail-of-it\\",
		"\\/\\\"\\%\\u" };

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		for (unsigned int depth = 0; depth <= 3; depth++) {
			struct buf form = BUF(ROOM);

			json(&form, secrets[i], depth);
			must_hide(secrets[i], form.data);
			buf_clear(&form);
		}
	}
	must_hide("a<b>&c\\d\n\te", "a\\u003cb\\u003E\\u0026c\\u005Cd\\n\\te");
	must_hide("a<b>&c-d", "a\\\\u003cb>\\\\u0026c-d");
}

static void
short_and_endless_secrets_are_refused(void **state)
{
	static const char much[70000];
	struct redact *r = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(redact_new(&r, &e), 0);
	assert_int_equal(redact_learn(r, "1234567", 7, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(redact_learn(r, "", 0, &e), -1);
	assert_int_equal(redact_learn(r, much, sizeof(much), &e), -1);
	assert_int_equal(redact_learn(r, "12345678", 8, &e), 0);
	redact_free(r);
	redact_free(NULL);
	redact_stream_free(NULL);
}

static void
a_full_output_fails_and_does_not_leak(void **state)
{
	struct redact *r = knowing_one();
	struct buf out = BUF(4);

	(void)state;
	redact_text(r, &out, secret, secret_len);
	assert_false(buf_ok(&out));
	assert_int_equal(out.len, 0);
	buf_clear(&out);
	redact_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_cut_at_every_byte_is_redacted),
		cmocka_unit_test(byte_by_byte_is_the_same_as_at_once),
		cmocka_unit_test(only_what_may_begin_a_secret_is_held_back),
		cmocka_unit_test(overlapping_secrets_leave_nothing),
		cmocka_unit_test(bytes_that_are_no_text_pass),
		cmocka_unit_test(secrets_in_json_are_redacted),
		cmocka_unit_test(short_and_endless_secrets_are_refused),
		cmocka_unit_test(a_full_output_fails_and_does_not_leak),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
