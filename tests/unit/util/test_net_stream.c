#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/net_stream.h"
#include "util/proc.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define SHORT HEAD "Content-Length: 2\r\n\r\nok"

/*
 * A peer that sends each connection the same pieces, with a pause between
 * them, and counts its connections.
 */
struct peer {
	struct proc process;
	int listener, report, counted;
	unsigned int port;
	const char *const *pieces;
	int pause_ms;
	bool hold; /* says no more, and does not close */
};

static void
answer_one(const struct peer *p, int fd)
{
	char request[4096];

	for (;;) {
		ssize_t n = read(fd, request, sizeof(request) - 1);

		if (n <= 0)
			break;
		for (size_t i = 0; p->pieces[i] != NULL; i++) {
			(void)!write(fd, p->pieces[i], strlen(p->pieces[i]));
			(void)poll(NULL, 0, p->pause_ms);
		}
		if (!p->hold && strstr(p->pieces[0], "Length") == NULL)
			break;
	}
	(void)close(fd);
}

static int
serve_one(void *ctx)
{
	const struct peer *p = ((void **)ctx)[0];

	answer_one(p, *(int *)((void **)ctx)[1]);
	return 0;
}

static int
serve(void *ctx)
{
	struct peer *p = ctx;
	struct pollfd wait = { .fd = p->listener, .events = POLLIN };
	struct err e = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	while (poll(&wait, 1, 20000) == 1) {
		int fd = accept(p->listener, NULL, NULL);
		void *both[2] = { p, &fd };
		struct proc child;

		(void)!write(p->report, "c", 1);
		if (fd == -1 || proc_fork(&child, serve_one, both, &e) == -1)
			return 1;
		(void)close(fd);
		proc_forget(&child);
	}
	return 0;
}

static void
peer_start(struct peer *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct err e = { 0 };
	int ends[2];

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listener, (const struct sockaddr *)&at, len),
	    0);
	assert_int_equal(listen(p->listener, 16), 0);
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len),
	    0);
	assert_int_equal(pipe(ends), 0);
	p->port = ntohs(at.sin_port);
	p->counted = ends[0];
	p->report = ends[1];
	assert_int_equal(proc_fork(&p->process, serve, p, &e), 0);
	(void)close(ends[1]);
	(void)close(p->listener);
}

/* Ends it, and returns how many connections it has had. */
static ssize_t
peer_stop(struct peer *p)
{
	char seen[64];
	ssize_t n;

	proc_stop(&p->process, 0);
	proc_forget(&p->process);
	n = read(p->counted, seen, sizeof(seen));
	(void)close(p->counted);
	return n;
}

static int
keep(void *ctx, const char *bytes, size_t len, struct err *e)
{
	struct buf *b = ctx;

	buf_add(b, bytes, len);
	return buf_ok(b) ? 0 : err_set(e, ERR_BROKEN, "full");
}

static enum net_stream_state
follow(struct net_pool *p, struct net_stream *s, struct err *e)
{
	enum net_stream_state state;

	while ((state = net_stream_state(s, e)) == NET_STREAM_OPEN)
		assert_int_equal(net_pool_wait(p, 1000, -1, e), 0);
	return state;
}

struct setup {
	struct net_pool *pool;
	struct net_stream *stream;
	struct buf got;
	struct err e;
	char url[64];
};

static void
open_stream(struct setup *t, struct peer *p, size_t max, int silence_s)
{
	struct net_stream_request rq = { .take = keep, .silence_s = silence_s };

	*t = (struct setup){ .got = BUF(max) };
	peer_start(p);
	(void)snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%u/", p->port);
	rq.rq = (struct net_request){ .method = "POST",
		.url = t->url,
		.max_body = 100 };
	rq.ctx = &t->got;
	assert_int_equal(net_pool_new(&t->pool, &t->e), 0);
	assert_int_equal(net_stream_open(&t->stream, t->pool, &rq, &t->e), 0);
}

static void
end_stream(struct setup *t, struct peer *p)
{
	net_stream_close(t->stream);
	net_pool_free(t->pool);
	buf_clear(&t->got);
	(void)peer_stop(p);
}

static void
test_pieces(void **state)
{
	static const char *const pieces[] = { CHUNKED, "3\r\nabc\r\n",
		"2\r\nde\r\n0\r\n\r\n", NULL };
	struct peer p = { .pieces = pieces, .pause_ms = 20 };
	struct setup t;

	(void)state;
	open_stream(&t, &p, 100, 10);
	assert_int_equal(follow(t.pool, t.stream, &t.e), NET_STREAM_DONE);
	assert_int_equal(net_stream_answer(t.stream)->status, 200);
	assert_string_equal(t.got.data, "abcde");
	end_stream(&t, &p);
}

static void
test_cut(void **state)
{
	static const char *const pieces[] = { CHUNKED, "9\r\nabc", NULL };
	struct peer p = { .pieces = pieces };
	struct setup t;

	(void)state;
	open_stream(&t, &p, 100, 10);
	assert_int_equal(follow(t.pool, t.stream, &t.e), NET_STREAM_FAILED);
	assert_int_equal(t.e.kind, ERR_RETRY);
	assert_string_equal(t.got.data, "abc");
	end_stream(&t, &p);
}

static void
test_refused_piece(void **state)
{
	static const char *const pieces[] = { CHUNKED, "3\r\nabc\r\n", NULL };
	struct peer p = { .pieces = pieces, .hold = true };
	struct setup t;

	(void)state;
	open_stream(&t, &p, 2, 10);
	assert_int_equal(follow(t.pool, t.stream, &t.e), NET_STREAM_FAILED);
	assert_string_equal(t.e.text, "full");
	end_stream(&t, &p);
}

static void
test_other_status(void **state)
{
	static const char *const pieces[] = {
		"HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\nbad", NULL
	};
	struct peer p = { .pieces = pieces };
	struct setup t;

	(void)state;
	open_stream(&t, &p, 100, 10);
	assert_int_equal(follow(t.pool, t.stream, &t.e), NET_STREAM_DONE);
	assert_int_equal(net_stream_answer(t.stream)->status, 502);
	assert_string_equal(net_stream_answer(t.stream)->body.data, "bad");
	assert_int_equal(t.got.len, 0);
	end_stream(&t, &p);
}

static void
test_silence(void **state)
{
	static const char *const pieces[] = { CHUNKED, "3\r\nabc\r\n", NULL };
	struct peer p = { .pieces = pieces, .hold = true };
	int64_t began = clock_mono_ms();
	struct setup t;

	(void)state;
	open_stream(&t, &p, 100, 1);
	assert_int_equal(follow(t.pool, t.stream, &t.e), NET_STREAM_FAILED);
	assert_true(clock_mono_ms() - began >= 500);
	end_stream(&t, &p);
}

static bool
stop_now(void *ctx)
{
	return clock_mono_ms() > *(int64_t *)ctx;
}

static void
test_stopped(void **state)
{
	static const char *const pieces[] = { HEAD "Content-Length: 9\r\n\r\n",
		NULL };
	struct peer p = { .pieces = pieces, .hold = true };
	int64_t until = INT64_MAX;
	const struct net_watch w = { stop_now, &until, -1 };
	struct net_response rs;
	struct setup t = { 0 };
	struct net_request rq = { .method = "POST",
		.url = t.url,
		.max_body = 100 };

	(void)state;
	peer_start(&p);
	(void)snprintf(t.url, sizeof(t.url), "http://127.0.0.1:%u/", p.port);
	assert_int_equal(net_pool_new(&t.pool, &t.e), 0);
	until = clock_mono_ms() + 1000; /* time enough to send it */
	assert_int_equal(net_pool_fetch(t.pool, &rq, &w, &rs, &t.e), -1);
	assert_true(rs.stopped && rs.sent);
	assert_true(clock_mono_ms() >= until);
	net_response_clear(&rs);

	rq.timeout_ms = 200;
	assert_int_equal(net_pool_fetch(t.pool, &rq, NULL, &rs, &t.e), -1);
	assert_true(rs.timed_out && !rs.stopped);
	net_response_clear(&rs);
	end_stream(&t, &p);
}

/* What may happen twice shares a connection; what may not has its own (U1). */
static void
test_connections(void **state)
{
	static const char *const pieces[] = { SHORT, NULL };
	struct peer p = { .pieces = pieces };
	struct net_response rs;
	struct setup t = { 0 };
	struct net_request rq = { .method = "POST",
		.url = t.url,
		.max_body = 100,
		.repeatable = true };

	(void)state;
	peer_start(&p);
	(void)snprintf(t.url, sizeof(t.url), "http://127.0.0.1:%u/", p.port);
	assert_int_equal(net_pool_new(&t.pool, &t.e), 0);
	for (int i = 0; i < 4; i++) {
		rq.repeatable = i < 2;
		assert_int_equal(net_pool_fetch(t.pool, &rq, NULL, &rs, &t.e),
		    0);
		assert_string_equal(rs.body.data, "ok");
		net_response_clear(&rs);
	}
	net_pool_free(t.pool);
	assert_int_equal(peer_stop(&p), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_refused_piece),
		cmocka_unit_test(test_other_status),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_connections),
	};
	struct err e = { 0 };
	int rc;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (net_init(&e) == -1)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	net_end();
	return rc;
}
