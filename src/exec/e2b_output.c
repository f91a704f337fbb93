/*
 * e2b: what a command says, from the files in the sandbox, and how it ended.
 */
#include <stdio.h>
#include <string.h>

#include "exec/e2b_running.h"
#include "util/clock.h"

#define CODE_MAX 100
#define PIECE ((size_t)256 * 1024)
#define REST_MS 60000 /* for the rest of one that has ended */

/* Files of the command. */
static void
path_of(const struct running *r, const char *name, char out[96])
{
	(void)snprintf(out, 96, "%s/%s", r->folder, name);
}

bool
e2b_may_wait(const struct running *r)
{
	return e2b_trouble_passes(r->b->trouble) ||
	    r->b->trouble == E2B_STOPPED;
}

/*
 * Passes on what is in out or err beyond what was, until there is no more or,
 * with *more, until this moment: a file may grow faster than it is read.
 */
static int
read_one(struct running *r, enum sandbox_stream which, int64_t until_ms,
    bool *more, struct err *e)
{
	struct buf piece = BUF(PIECE);
	char path[96];
	int rc;

	path_of(r, which == SANDBOX_STDOUT ? "out" : "err", path);
	do {
		buf_reset(&piece);
		rc = e2b_read_from(r->b, path, r->p.got[which], PIECE, &piece,
		    e);
		if (rc == -1 && r->b->trouble == E2B_ABSENT) {
			r->b->host->failure = NULL;
			rc = 0; /* not begun yet */
			break;
		}
		if (rc == -1 || piece.len == 0)
			break;
		r->p.got[which] += piece.len;
		if (r->cmd->output != NULL &&
		    r->cmd->output(r->cmd->ctx, which, piece.data, piece.len,
			e) == -1) {
			r->p.refused = true;
			rc = -1;
		}
	} while (rc == 0 && piece.len == PIECE && clock_mono_ms() < until_ms);
	*more = *more || piece.len == PIECE;
	buf_clear(&piece);
	return rc;
}

int
e2b_read_news(struct running *r, int64_t most_ms, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + most_ms;

	r->looked_ms = clock_mono_ms();
	r->p.news = false;
	if (r->p.stream != NULL && r->p.whole)
		return 0;
	if (read_one(r, SANDBOX_STDOUT, until_ms, &r->p.news, e) == 0 &&
	    read_one(r, SANDBOX_STDERR, until_ms, &r->p.news, e) == 0)
		return 0;
	if (r->p.refused || !e2b_may_wait(r))
		return -1;
	r->p.news = true;
	return 0;
}

int
e2b_read_code(struct running *r, uint64_t sizes[2], struct err *e)
{
	struct buf text = BUF(CODE_MAX);
	unsigned long long out, err;
	char path[96], newline = '\0';
	int rc, code;

	path_of(r, "code", path);
	rc = e2b_read_from(r->b, path, 0, CODE_MAX, &text, e);
	if (rc == -1 && r->b->trouble == E2B_ABSENT) {
		r->b->host->failure = NULL;
		rc = 0;
	} else if (rc == 0 && text.len > 0) {
		if (sscanf(text.data, "%d %llu %llu%c", &code, &out, &err,
			&newline) != 4 ||
		    newline != '\n' || code < 0 || code > 255) {
			rc = e2b_fail(r->b, E2B_PROTOCOL, "an exit status", e);
		} else {
			r->end->code = code;
			sizes[SANDBOX_STDOUT] = out;
			sizes[SANDBOX_STDERR] = err;
			rc = 1;
		}
	}
	buf_clear(&text);
	return rc;
}

int
e2b_read_rest(struct running *r, const uint64_t sizes[2], struct err *e)
{
	int64_t until_ms = clock_mono_ms() + REST_MS;
	bool more = false;

	for (int i = SANDBOX_STDOUT; i <= SANDBOX_STDERR; i++)
		if (r->p.got[i] < sizes[i] &&
		    read_one(r, (enum sandbox_stream)i, until_ms, &more, e) ==
			-1)
			return -1;
	r->end->cut_off = r->end->cut_off || more;
	return 0;
}
