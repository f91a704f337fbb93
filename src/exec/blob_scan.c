#include "exec/blob_scan.h"

#include <stdint.h>
#include <string.h>

#define HEAD_MAX 200
#define PIECE ((size_t)64 * 1024)
#define SCRATCH_MAX ((size_t)16 * 1024 * 1024)

int
blob_scan_open(struct blob_scan *s, const struct redact *r, bool *secret,
    size_t most, struct err *e)
{
	*s = (struct blob_scan){ .line = BUF(HEAD_MAX),
		.scratch = BUF(SCRATCH_MAX),
		.secret = secret,
		.most = most };
	return redact_stream_new(&s->stream, r, e);
}

void
blob_scan_close(struct blob_scan *s)
{
	redact_stream_free(s->stream);
	buf_clear(&s->line);
	buf_wipe(&s->scratch);
	*s = (struct blob_scan){ 0 };
}

/* The size in "ID blob SIZE"; false when it is no such line. */
static bool
read_head(const char *line, size_t *size)
{
	size_t n = strspn(line, "0123456789abcdef");

	*size = 0;
	if (n == 0 || strncmp(line + n, " blob ", 6) != 0 ||
	    line[n + 6] == '\0')
		return false;
	for (line += n + 6; *line != '\0'; line++) {
		if (*line < '0' || *line > '9' || *size > SIZE_MAX / 16)
			return false;
		*size = *size * 10 + (size_t)(*line - '0');
	}
	return true;
}

/* Takes a byte of the line before a blob. */
static void
take_head(struct blob_scan *s, char c)
{
	if (c != '\n') {
		buf_putc(&s->line, c);
		s->broken = s->broken || !buf_ok(&s->line);
		return;
	}
	if (s->count == s->most || s->line.len == 0 ||
	    !read_head(s->line.data, &s->left)) {
		s->broken = true;
		return;
	}
	buf_reset(&s->line);
	s->inside = true;
	s->found = redact_stream_found(s->stream);
}

/* The newline behind a blob: all of it has been seen. */
static void
end_blob(struct blob_scan *s)
{
	redact_flush(s->stream, &s->scratch);
	buf_reset(&s->scratch);
	s->secret[s->count++] = redact_stream_found(s->stream) > s->found;
	s->inside = false;
}

void
blob_scan_feed(struct blob_scan *s, const char *bytes, size_t len)
{
	while (len > 0 && !s->broken) {
		size_t n = 1;

		if (!s->inside) {
			take_head(s, *bytes);
		} else if (s->left == 0) {
			s->broken = *bytes != '\n';
			end_blob(s);
		} else {
			n = len < s->left ? len : s->left;
			n = n < PIECE ? n : PIECE;
			redact_feed(s->stream, &s->scratch, bytes, n);
			s->broken = !buf_ok(&s->scratch);
			buf_reset(&s->scratch);
			s->left -= n;
		}
		bytes += n;
		len -= n;
	}
}

int
blob_scan_end(struct blob_scan *s, struct err *e)
{
	if (s->broken || s->inside || s->line.len > 0 || s->count != s->most)
		return err_set(e, ERR_BROKEN,
		    "the files cannot be searched for secrets");
	return 0;
}
