#include "github/github.h"

#include <string.h>
#include <time.h>

#include "github/classify.h"
#include "github/read.h"
#include "github/request.h"
#include "util/json.h"
#include "util/utf8.h"

/* A page of them must fit into GITHUB_ANSWER_MAX; each is some 25 KB. */
#define PER_PAGE 10

/* How long GitHub may take until a list shows what was just made. */
#define LOOKS 3
#define BETWEEN_LOOKS_MS 400

#define WISH_MAX (1024 * 1024)

int
github_pull_find(struct github *g, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p, struct host_failure *f)
{
	struct buf url = BUF(URL_MAX);
	struct ask a = { .method = "GET", .token = at->token, .url = &url };
	struct net_response rs = { 0 };
	struct err e = { 0 };
	int rc = -1;

	memset(p, 0, sizeof(*p));
	if (request_repo_url(&url, g, at, f) == -1)
		goto out;
	buf_addf(&url, "/pulls?state=all&per_page=%d&head=%s%%3A", PER_PAGE,
	    at->owner);
	request_escape(&url, w->head, "");
	buf_puts(&url, "&base=");
	request_escape(&url, w->base, "");
	if (request_send(g, &a, &rs, f) == -1)
		goto out;
	if (rs.status != 200)
		(void)request_refused(&a, &rs, f);
	else if ((rc = read_pulls(p, at->owner, w, rs.body.data, rs.body.len,
		      &e)) == -1)
		(void)request_failed(f, &e);
out:
	net_response_clear(&rs);
	buf_clear(&url);
	return rc;
}

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	/* A signal that cuts it short does no harm. */
	(void)nanosleep(&t, NULL);
}

/*
 * Looks for the open pull request that is, or may be, there. Returns true with
 * *p, or false when it does not show or nobody answers.
 */
static bool
look(struct github *g, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p)
{
	struct host_failure ignored;

	for (int i = 0; i < LOOKS; i++) {
		if (i > 0)
			pause_ms(BETWEEN_LOOKS_MS);
		if (github_pull_find(g, at, w, p, &ignored) == 0 && p->found &&
		    p->state == HOST_PULL_OPEN) {
			p->existed = true;
			return true;
		}
	}
	memset(p, 0, sizeof(*p));
	return false;
}

static void
write_wish(struct buf *body, const struct host_pull_wish *w)
{
	struct json_out j;

	json_start(&j, body);
	json_open(&j);
	json_name_text(&j, "title", w->title);
	json_name_text(&j, "head", w->head);
	json_name_text(&j, "base", w->base);
	if (w->body != NULL)
		json_name_text(&j, "body", w->body);
	json_close(&j);
}

/*
 * Asks once. -1 with *unsure when it may have been done all the same: no
 * answer, one from a machine in between, or one that cannot be read.
 */
static int
create(struct github *g, const struct ask *a, struct host_pull *p, bool *unsure,
    struct host_failure *f)
{
	struct net_response rs = { 0 };
	struct err e = { 0 };
	int rc = -1;

	if (request_send(g, a, &rs, f) == -1) {
		*unsure = rs.sent;
	} else if (rs.status != 201) {
		(void)request_refused(a, &rs, f);
		*unsure = rs.status >= 500;
	} else if ((rc = read_pull(p, rs.body.data, rs.body.len, &e)) == -1) {
		(void)request_failed(f, &e);
		*unsure = true;
	}
	net_response_clear(&rs);
	return rc;
}

static bool
is_text(const char *s)
{
	return s == NULL || utf8_valid(s, strlen(s));
}

int
github_pull_create(struct github *g, const struct host_place *at,
    const struct host_pull_wish *w, struct host_pull *p, struct host_failure *f)
{
	struct buf url = BUF(URL_MAX), body = BUF(WISH_MAX);
	struct ask a = { .method = "POST",
		.token = at->token,
		.url = &url,
		.body = &body };
	bool unsure = false;
	int rc = -1;

	memset(p, 0, sizeof(*p));
	if (w->title == NULL || !is_text(w->title) || !is_text(w->body)) {
		struct err e = { ERR_INVALID, "title or body is no text" };

		rc = request_failed(f, &e);
		goto out;
	}
	if (request_repo_url(&url, g, at, f) == -1)
		goto out;
	buf_puts(&url, "/pulls");
	write_wish(&body, w);
	rc = create(g, &a, p, &unsure, f);
	if (rc == -1 && (unsure || classify_says_exists(f)) &&
	    look(g, at, w, p))
		rc = 0;
	/* It is there but does not show yet: the next try will find it. */
	else if (rc == -1 && classify_says_exists(f))
		f->outcome = HOST_CONFLICT;
out:
	buf_clear(&url);
	buf_clear(&body);
	return rc;
}
