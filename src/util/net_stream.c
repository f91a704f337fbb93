#include "util/net_stream.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/net_call.h"

#define CONNECTIONS_MAX 4L
#define WAIT_MAX_MS 60000

struct net_pool {
	CURLM *multi;
	struct net_stream *first; /* all that are open */
};

struct net_stream {
	struct net_pool *pool;
	struct net_stream *next;
	struct net_stream_request asked;
	struct net_call call;
	struct net_response answer;
	CURL *curl;
	bool added;       /* to the pool's multi handle */
	int64_t heard_ms; /* when the last byte came */
	enum net_stream_state state;
	struct err why;
};

int
net_pool_new(struct net_pool **p, struct err *e)
{
	if ((*p = calloc(1, sizeof(**p))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	(*p)->multi = curl_multi_init();
	if ((*p)->multi == NULL ||
	    curl_multi_setopt((*p)->multi, CURLMOPT_MAXCONNECTS,
		CONNECTIONS_MAX) != CURLM_OK) {
		net_pool_free(*p);
		*p = NULL;
		return err_set(e, ERR_RETRY, "libcurl: no pool");
	}
	return 0;
}

void
net_pool_free(struct net_pool *p)
{
	if (p == NULL)
		return;
	if (p->multi != NULL)
		(void)curl_multi_cleanup(p->multi);
	free(p);
}

/* Pieces of an answer: on to the taker, or into the answer. */
static size_t
take_piece(char *bytes, size_t one, size_t len, void *ctx)
{
	struct net_stream *s = ctx;
	long status = 0;

	len *= one;
	s->heard_ms = clock_mono_ms();
	(void)curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && s->asked.take != NULL)
		return s->asked.take(s->asked.ctx, bytes, len, &s->why) == -1
		    ? 0
		    : len;
	buf_add(&s->answer.body, bytes, len);
	s->call.too_large = !buf_ok(&s->answer.body);
	return s->call.too_large ? 0 : len;
}

static CURLcode
set_stream(struct net_stream *s)
{
	CURLcode rc = CURLE_OK;

#define SET(option, value) \
	(rc = rc != CURLE_OK ? rc : curl_easy_setopt(s->curl, option, value))
	SET(CURLOPT_PRIVATE, s);
	SET(CURLOPT_WRITEFUNCTION, take_piece);
	SET(CURLOPT_WRITEDATA, s);
	if (s->asked.silence_s > 0) {
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
		SET(CURLOPT_TCP_KEEPALIVE, 1L);
	}
#undef SET
	return rc;
}

static int
begin(struct net_stream *s, struct err *e)
{
	CURLcode rc;

	if (net_call_open(&s->call, s->curl, &s->asked.rq, &s->answer, e) == -1)
		return -1;
	if ((rc = set_stream(s)) != CURLE_OK)
		return err_set(e, ERR_RETRY, "libcurl: %s",
		    curl_easy_strerror(rc));
	if (curl_multi_add_handle(s->pool->multi, s->curl) != CURLM_OK)
		return err_set(e, ERR_RETRY, "libcurl: no stream");
	s->added = true;
	s->heard_ms = clock_mono_ms();
	s->next = s->pool->first;
	s->pool->first = s;
	return 0;
}

/* silence_s 0: a short request, with timeout_ms and any connection. */
static int
open_any(struct net_stream **out, struct net_pool *p,
    const struct net_stream_request *rq, struct err *e)
{
	struct net_stream *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	s->pool = p;
	s->asked = *rq;
	if ((s->curl = curl_easy_init()) == NULL) {
		free(s);
		return err_set(e, ERR_RETRY, "libcurl: no handle");
	}
	if (begin(s, e) == -1) {
		net_stream_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

int
net_stream_open(struct net_stream **s, struct net_pool *p,
    const struct net_stream_request *rq, struct err *e)
{
	struct net_stream_request mine = *rq;

	mine.rq.timeout_ms = NET_ENDLESS;
	if (mine.silence_s <= 0)
		return err_set(e, ERR_INVALID, "a stream without a limit");
	return open_any(s, p, &mine, e);
}

static void
finish(struct net_stream *s, CURLcode rc)
{
	struct err why = { 0 };

	if (net_call_done(&s->call, rc, &why) == 0) {
		s->state = NET_STREAM_DONE;
		return;
	}
	s->state = NET_STREAM_FAILED;
	if (s->why.kind == ERR_NONE) /* else take() knew why */
		s->why = why;
}

static void
reap(struct net_pool *p)
{
	struct net_stream *s;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(p->multi, &left)) != NULL) {
		s = p->first;
		while (s != NULL && s->curl != message->easy_handle)
			s = s->next;
		if (message->msg == CURLMSG_DONE && s != NULL)
			finish(s, message->data.result);
	}
}

static bool
any_ended(const struct net_pool *p)
{
	for (const struct net_stream *s = p->first; s != NULL; s = s->next)
		if (s->state != NET_STREAM_OPEN)
			return true;
	return false;
}

/* When a stream has been silent for too long; INT64_MAX: never. */
static int64_t
silent_at(const struct net_stream *s)
{
	if (s->state != NET_STREAM_OPEN || s->asked.silence_s <= 0)
		return INT64_MAX;
	return s->heard_ms + (int64_t)s->asked.silence_s * 1000;
}

/* libcurl's own limit would wake us every second, silence or not. */
static void
end_silent(struct net_pool *p)
{
	int64_t now = clock_mono_ms();

	for (struct net_stream *s = p->first; s != NULL; s = s->next) {
		if (now < silent_at(s))
			continue;
		(void)curl_multi_remove_handle(p->multi, s->curl);
		s->added = false;
		finish(s, CURLE_OPERATION_TIMEDOUT);
	}
}

static int
perform(struct net_pool *p, struct err *e)
{
	int running;
	CURLMcode rc = curl_multi_perform(p->multi, &running);

	if (rc != CURLM_OK)
		return err_set(e, ERR_RETRY, "libcurl: %s",
		    curl_multi_strerror(rc));
	reap(p);
	end_silent(p);
	return 0;
}

/* How long to wait: limit_ms, or less for a stream that may fall silent. */
static int
wait_ms(const struct net_pool *p, int limit_ms)
{
	int64_t now = clock_mono_ms(), most = WAIT_MAX_MS;

	if (limit_ms < most)
		most = limit_ms;
	for (const struct net_stream *s = p->first; s != NULL; s = s->next)
		if (silent_at(s) - now < most)
			most = silent_at(s) - now;
	return most < 0 ? 0 : (int)most;
}

int
net_pool_wait(struct net_pool *p, int limit_ms, int wake_fd, struct err *e)
{
	struct curl_waitfd wake = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };
	unsigned int count = wake_fd >= 0 ? 1 : 0;
	CURLMcode rc;

	if (perform(p, e) == -1)
		return -1;
	if (any_ended(p) || limit_ms <= 0)
		return 0;
	rc =
	    curl_multi_poll(p->multi, &wake, count, wait_ms(p, limit_ms), NULL);
	if (rc != CURLM_OK)
		return err_set(e, ERR_RETRY, "libcurl: %s",
		    curl_multi_strerror(rc));
	return perform(p, e);
}

enum net_stream_state
net_stream_state(const struct net_stream *s, struct err *e)
{
	if (s->state == NET_STREAM_FAILED)
		*e = s->why;
	return s->state;
}

const struct net_response *
net_stream_answer(const struct net_stream *s)
{
	return &s->answer;
}

void
net_stream_close(struct net_stream *s)
{
	struct net_stream **at;

	if (s == NULL)
		return;
	for (at = &s->pool->first; *at != NULL; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	if (s->added)
		(void)curl_multi_remove_handle(s->pool->multi, s->curl);
	net_call_close(&s->call);
	curl_easy_cleanup(s->curl);
	net_response_clear(&s->answer);
	free(s);
}

/* 0 when it has ended, whatever way; -1 when it was stopped, or we failed. */
static int
await(struct net_stream *s, const struct net_watch *w, bool *stopped,
    struct err *e)
{
	bool wakes = w != NULL && w->wake_fd >= 0;
	int tick =
	    w == NULL || w->stop == NULL || wakes ? WAIT_MAX_MS : NET_TICK_MS;
	struct err ignored = { 0 };

	while (net_stream_state(s, &ignored) == NET_STREAM_OPEN) {
		if (w != NULL && w->stop != NULL && w->stop(w->ctx)) {
			*stopped = true;
			return err_set(e, ERR_RETRY, "stopped");
		}
		if (net_pool_wait(s->pool, tick, wakes ? w->wake_fd : -1, e) ==
		    -1)
			return -1;
	}
	return 0;
}

int
net_pool_fetch(struct net_pool *p, const struct net_request *rq,
    const struct net_watch *w, struct net_response *rs, struct err *e)
{
	const struct net_stream_request asked = { .rq = *rq };
	struct net_stream *s = NULL;
	bool stopped = false;
	int rc;

	memset(rs, 0, sizeof(*rs));
	if (open_any(&s, p, &asked, e) == -1 || s == NULL)
		return -1;
	rc = await(s, w, &stopped, e);
	if (rc == 0 && net_stream_state(s, e) == NET_STREAM_FAILED)
		rc = -1;
	if (stopped) /* nobody knows how far it had come */
		s->answer.sent = true;
	*rs = s->answer;
	rs->stopped = stopped;
	s->answer.body = (struct buf)BUF(0);
	net_stream_close(s);
	return rc;
}
