/*
 * A secret, a text around it, and the places of the cuts, all chosen by the
 * input. However the text is cut, and in whichever encoding the secret stands
 * in it, the output never holds the secret in any of them, and is the same as
 * that of the whole text at once.
 *
 *	byte 0: length of the secret; byte 1: its encoding; byte 2: the cuts
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/encode.h"
#include "util/redact.h"

#define LONGEST 64
#define ROOM (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
percent(struct buf *out, const char *s, size_t len, const char *digits)
{
	for (size_t i = 0; i < len; i++) {
		buf_putc(out, '%');
		buf_putc(out, digits[(unsigned char)s[i] >> 4]);
		buf_putc(out, digits[(unsigned char)s[i] & 15]);
	}
}

/* Base64 with ahead bytes before the secret, without the shared edges. */
static void
base64(struct buf *out, const char *s, size_t len, size_t ahead, int variant)
{
	unsigned char plain[LONGEST + 2] = { 0 };
	char text[2 * LONGEST + 8];
	size_t first = (8 * ahead + 5) / 6, last = 8 * (ahead + len) / 6;

	memcpy(plain + ahead, s, len);
	(void)sodium_bin2base64(text, sizeof(text), plain, ahead + len,
	    variant);
	buf_add(out, text + first, last - first);
}

/* As escapes of JSON, in one or more strings around each other. */
static void
unicode(struct buf *out, const char *s, size_t len, const char *backslashes)
{
	for (size_t i = 0; i < len; i++)
		buf_addf(out, i % 2 == 0 ? "%su%04x" : "%su%04X", backslashes,
		    (unsigned int)(unsigned char)s[i]);
}

#define FORMS 11

/* Form number n of a secret. */
static void
form(struct buf *out, const char *s, size_t len, unsigned int n)
{
	if (n == 0)
		buf_add(out, s, len);
	else if (n <= 2)
		percent(out, s, len,
		    n == 1 ? "0123456789abcdef" : "0123456789ABCDEF");
	else if (n >= 9)
		unicode(out, s, len, n == 9 ? "\\" : "\\\\");
	else
		base64(out, s, len, (n - 3) % 3,
		    n < 6 ? sodium_base64_VARIANT_ORIGINAL_NO_PADDING
			  : sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void
must_be_clean(const struct buf *out, const char *s, size_t len)
{
	for (unsigned int n = 0; n < FORMS; n++) {
		struct buf f = BUF(ROOM);

		form(&f, s, len, n);
		must(out->len == 0 ||
		    memmem(out->data, out->len, f.data, f.len) == NULL);
		buf_clear(&f);
	}
}

/* Letters and digits only: with others the marker itself could spell it. */
static size_t
read_secret(char *s, const uint8_t *data, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
				      "NOPQRSTUVWXYZ0123456789_-";
	size_t len = 8 + data[0] % (LONGEST - 8);

	if (size - 3 < len)
		return 0;
	for (size_t i = 0; i < len; i++)
		s[i] = letters[data[3 + i] % 64];
	return memcmp(s, "redacted", 8) == 0 ? 0 : len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF(ROOM), whole = BUF(ROOM), cut = BUF(ROOM);
	struct redact_stream *stream = NULL;
	struct redact *r = NULL;
	struct err e = { 0 };
	char s[LONGEST];
	size_t len, middle, rest, step;

	if (encode_init(&e) == -1 || size < 3 ||
	    (len = read_secret(s, data, size)) == 0)
		return 0;
	rest = size - 3 - len;
	middle = rest / 2;
	buf_add(&text, data + 3 + len, middle);
	form(&text, s, len, data[1] % FORMS);
	buf_add(&text, data + 3 + len + middle, rest - middle);

	must(redact_new(&r, &e) == 0 && redact_learn(r, s, len, &e) == 0 &&
	    redact_stream_new(&stream, r, &e) == 0);
	redact_text(r, &whole, text.data, text.len);
	must_be_clean(&whole, s, len);
	step = 1 + data[2] % 32;
	for (size_t at = 0; at < text.len; at += step)
		redact_feed(stream, &cut, text.data + at,
		    text.len - at < step ? text.len - at : step);
	redact_flush(stream, &cut);
	must(
	    cut.len == whole.len && memcmp(cut.data, whole.data, cut.len) == 0);

	redact_stream_free(stream);
	redact_free(r);
	buf_clear(&text);
	buf_clear(&whole);
	buf_clear(&cut);
	return 0;
}
