/* e2b: one request and its answer, and what to do when it fails. */
#include <stdio.h>
#include <string.h>

#include "exec/e2b.h"
#include "util/clock.h"
#include "util/log.h"

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 5000
#define HURRY_LEAST_MS 3000

int
e2b_fail(struct e2b *b, enum e2b_trouble t, const char *said, struct err *e)
{
	char copy[E2B_SAID_MAX];

	(void)snprintf(copy, sizeof(copy), "%.*s", E2B_SAID_MAX - 1, said);
	e2b_scrub(b, copy); /* somebody on the way may have said it back */
	b->trouble = t;
	memcpy(b->said, copy, sizeof(copy));
	if (t == E2B_GONE)
		b->dead = true;
	b->host->failure = e2b_trouble_failure(t);
	return e2b_trouble_set(e, t, copy);
}

bool
e2b_stopped(const struct e2b *b)
{
	return !b->closing && b->host->stop != NULL &&
	    b->host->stop(b->host->ctx);
}

bool
e2b_pause(struct e2b *b, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms, left;
	bool wakes = !b->closing && b->host->wake_fd >= 0;
	struct err ignored = { 0 };

	while ((left = until - clock_mono_ms()) > 0) {
		if (e2b_stopped(b))
			return false;
		if (!wakes && left > NET_TICK_MS)
			left = NET_TICK_MS;
		(void)!net_pool_wait(b->pool,
		    (int)(left < 60000 ? left : 60000),
		    wakes ? b->host->wake_fd : -1, &ignored);
	}
	return !e2b_stopped(b);
}

int
e2b_tell(const struct e2b *b, enum e2b_trouble *told, struct err *e)
{
	const struct sandbox_host *h = b->host;
	struct err why = { 0 };
	char text[sizeof(why.text) + 40];

	if (*told == b->trouble || h->note == NULL)
		return 0;
	*told = b->trouble;
	(void)e2b_trouble_set(&why, b->trouble, b->said);
	(void)snprintf(text, sizeof(text), "Waiting for a sandbox: %s",
	    why.text);
	return h->note(h->ctx, text, e);
}

int64_t
e2b_backoff_ms(unsigned int n)
{
	return n > 4 ? BACKOFF_MAX_MS : (int64_t)BACKOFF_FIRST_MS << n;
}

int64_t
e2b_wait_ms(const struct e2b *b, unsigned int n, int64_t until_ms)
{
	int64_t left = until_ms - clock_mono_ms();
	int64_t wait = b->retry_after_s < 0 ? e2b_backoff_ms(n)
					    : (int64_t)b->retry_after_s * 1000;

	return left <= 0 || (b->retry_after_s >= 0 && wait > left) ? -1 : wait;
}

void
e2b_headers(const struct e2b *b, const struct e2b_request *rq,
    const char *headers[E2B_HEADERS_MAX])
{
	size_t n = 0;

	headers[n++] = "Accept: application/json";
	if (rq->face == E2B_ENVD) {
		if (b->token[0] != '\0')
			headers[n++] = b->token;
		headers[n++] = b->routing;
		headers[n++] = "E2b-Sandbox-Port: 49983";
	} else {
		headers[n++] = b->key;
	}
	if (rq->type != NULL)
		headers[n++] = rq->type;
	if (rq->header != NULL)
		headers[n++] = rq->header;
	headers[n] = NULL;
}

/* What became of a request that has no answer. */
static int
no_answer(struct e2b *b, const struct e2b_request *rq,
    const struct net_response *rs, struct err *e)
{
	struct err why = *e;

	if (rs->stopped)
		return e2b_fail(b, E2B_STOPPED, "", e);
	if (why.kind == ERR_RETRY)
		return e2b_fail(b,
		    rq->face == E2B_ENVD ? E2B_UNREACHABLE : E2B_AWAY, why.text,
		    e);
	return e2b_fail(b, E2B_PROTOCOL, why.text, e);
}

static int
limit_ms(const struct e2b *b, const struct e2b_request *rq)
{
	int own_ms = rq->timeout_ms == 0 ? E2B_CALL_MS : rq->timeout_ms;
	int64_t left_ms = b->hurry_ms - clock_mono_ms();

	if (left_ms < HURRY_LEAST_MS)
		left_ms = HURRY_LEAST_MS;
	return left_ms < own_ms ? (int)left_ms : own_ms;
}

int
e2b_ask(struct e2b *b, const struct e2b_request *rq, struct net_response *rs,
    struct err *e)
{
	const char *headers[E2B_HEADERS_MAX], *wants[2] = { rq->want, NULL };
	char url[2 * E2B_URL_MAX + 4096], said[E2B_SAID_MAX];
	const struct net_request asked = { .method = rq->method,
		.url = url,
		.headers = headers,
		.body = rq->body,
		.body_len = rq->body_len,
		.want = rq->want == NULL ? NULL : wants,
		.max_body = rq->max_body,
		.repeatable = !rq->once,
		.timeout_ms = limit_ms(b, rq),
		.ca_file = b->set->ca_file[0] == '\0' ? NULL : b->set->ca_file,
		.allow_http = b->set->allow_http };
	const struct net_watch watch = { b->closing ? NULL : b->host->stop,
		b->host->ctx, b->closing ? -1 : b->host->wake_fd };
	int64_t began_ms = clock_mono_ms();
	enum e2b_trouble t;
	int n;

	memset(rs, 0, sizeof(*rs));
	b->retry_after_s = -1;
	n = snprintf(url, sizeof(url), "%s%s",
	    rq->face == E2B_ENVD ? b->envd : b->api, rq->path);
	if (n < 0 || (size_t)n >= sizeof(url))
		return err_set(e, ERR_INVALID, "a path is too long");
	e2b_headers(b, rq, headers);
	e2b_debug_request(b, rq->method, rq->path, rq->body, rq->body_len);
	if (net_pool_fetch(b->pool, &asked, &watch, rs, e) == -1) {
		log_err(LOG_DEBUG, e, "e2b no answer method=%s ms=%jd",
		    rq->method, (intmax_t)(clock_mono_ms() - began_ms));
		return no_answer(b, rq, rs, e);
	}
	e2b_debug_answer(b, rq->method, rq->path, rs,
	    clock_mono_ms() - began_ms);
	b->retry_after_s = rs->retry_after_s;
	/* A refusal may say our key back; whole here, cut in half later. */
	if (rs->status >= 300 && rs->body.data != NULL)
		e2b_scrub(b, rs->body.data);
	if ((t = e2b_judge(rq->face, rs, said)) != E2B_FINE)
		return e2b_fail(b, t, said, e);
	b->trouble = E2B_FINE;
	b->host->failure = NULL;
	return 0;
}

/*
 * A sandbox did not answer: the control plane knows whether it lives. 0: it
 * does, so ask it again.
 */
static int
ask_after_it(struct e2b *b, struct err *e)
{
	bool paused = false;

	if (e2b_look(b, &paused, e) == -1)
		return -1;
	return paused ? e2b_wake(b, 0, e) : 0;
}

/* How long to wait before try number n; -1: that would not help. */
static int64_t
again_ms(const struct e2b *b, unsigned int n)
{
	int64_t most_ms = (int64_t)b->set->busy_wait_s * 1000;
	int64_t wait_ms = b->retry_after_s <= 0
	    ? e2b_backoff_ms(n)
	    : (int64_t)b->retry_after_s * 1000;

	if (!e2b_trouble_passes(b->trouble) || n + 1 >= E2B_TRIES ||
	    (b->retry_after_s > 0 && wait_ms > most_ms) ||
	    wait_ms > b->hurry_ms - clock_mono_ms())
		return -1;
	return wait_ms;
}

int
e2b_ask_again(struct e2b *b, const struct e2b_request *rq,
    struct net_response *rs, struct err *e)
{
	for (unsigned int i = 0;; i++) {
		int64_t wait_ms;

		if (e2b_ask(b, rq, rs, e) == 0)
			return 0;
		if ((wait_ms = again_ms(b, i)) == -1)
			return -1;
		net_response_clear(rs);
		if (b->trouble == E2B_UNREACHABLE && ask_after_it(b, e) == -1 &&
		    (b->dead || b->trouble == E2B_STOPPED))
			return -1;
		if (!e2b_pause(b, wait_ms))
			return e2b_fail(b, E2B_STOPPED, "", e);
	}
}
