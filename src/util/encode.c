#include "util/encode.h"

#include <sodium.h>
#include <string.h>

#define UUID_BYTES 16
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

int
encode_init(struct err *e)
{
	if (sodium_init() == -1)
		return err_set(e, ERR_BROKEN, "libsodium does not start");
	return 0;
}

void
encode_hex(char *out, const void *bytes, size_t len)
{
	(void)sodium_bin2hex(out, 2 * len + 1, bytes, len);
}

void
encode_base64url(struct buf *out, const void *bytes, size_t len)
{
	/* Three bytes make four characters, a rest of r bytes makes r + 1. */
	size_t n = len / 3 * 4 + (len % 3 == 0 ? 0 : len % 3 + 1);
	char *to = buf_reserve(out, n);

	if (to == NULL)
		return;
	(void)sodium_bin2base64(to, n + 1, bytes, len, VARIANT);
	out->len += n;
}

bool
decode_base64url(struct buf *out, const char *text, size_t len)
{
	size_t n = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
	size_t got;
	char *to;

	if (len % 4 == 1 || (to = buf_reserve(out, n)) == NULL)
		return false;
	/* libsodium refuses foreign characters, padding and stray bits. */
	if (sodium_base642bin((unsigned char *)to, n, text, len, NULL, &got,
		NULL, VARIANT) != 0 ||
	    got != n) {
		to[0] = '\0';
		return false;
	}
	to[n] = '\0';
	out->len += n;
	return true;
}

bool
decode_base64(struct buf *out, const char *text, size_t len)
{
	size_t n = len / 4 * 3, got;
	char *to;

	if (len % 4 != 0)
		return false;
	n -= len >= 4 && text[len - 1] == '=' ? 1U : 0U;
	n -= len >= 4 && text[len - 2] == '=' ? 1U : 0U;
	if ((to = buf_reserve(out, n)) == NULL)
		return false;
	if (sodium_base642bin((unsigned char *)to, n, text, len, NULL, &got,
		NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    got != n) {
		to[0] = '\0';
		return false;
	}
	to[n] = '\0';
	out->len += n;
	return true;
}

void
sha256(uint8_t out[SHA256_BYTES], const void *bytes, size_t len)
{
	_Static_assert(SHA256_BYTES == crypto_hash_sha256_BYTES,
	    "libsodium agrees");
	(void)crypto_hash_sha256(out, bytes, len);
}

void
random_fill(void *out, size_t len)
{
	randombytes_buf(out, len);
}

/* True where a UUID has its dashes. */
static bool
is_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void
uuid_new(char out[UUID_TEXT])
{
	uint8_t bytes[UUID_BYTES];
	char hex[2 * UUID_BYTES + 1];
	size_t from = 0;

	random_fill(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* RFC 4122 */
	encode_hex(hex, bytes, sizeof(bytes));
	for (size_t i = 0; i < UUID_TEXT - 1; i++)
		out[i] = is_dash(i) ? '-' : hex[from++];
	out[UUID_TEXT - 1] = '\0';
}

/* The lower-case form of a hex digit; 0 if c is none. */
static char
hex_lower(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
		return c;
	if (c >= 'A' && c <= 'F')
		return (char)(c - 'A' + 'a');
	return 0;
}

bool
uuid_read(char out[UUID_TEXT], const char *text)
{
	char read[UUID_TEXT];

	for (size_t i = 0; i < UUID_TEXT - 1; i++) {
		read[i] = text[i] == '-' ? '-' : hex_lower(text[i]);
		/* Also ends at an early NUL, which is no hex digit. */
		if (read[i] == '\0' || (read[i] == '-') != is_dash(i))
			return false;
	}
	if (text[UUID_TEXT - 1] != '\0')
		return false;
	read[UUID_TEXT - 1] = '\0';
	memcpy(out, read, UUID_TEXT);
	return true;
}
