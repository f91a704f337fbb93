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

#include "util/net.h"
#include "util/net_address.h"
#include "util/proc.h"

#define SERVER_LIFE_MS 20000

/* One peer: each connection gets the same answer, whatever it asks. */
struct peer {
	struct proc process;
	int listener;
	int seen; /* what it read, all connections in a row */
	unsigned int port;
	const char *answer;
	size_t answer_len;
	bool hold; /* leaves the connection open, and says no more */
	int report;
};

/* Reads a request up to its last byte, and passes it on to the test. */
static void
read_request(struct peer *p, int fd)
{
	char request[65536];
	size_t len = 0, want = 0;
	ssize_t n;

	while (len < sizeof(request) - 1 && (want == 0 || len < want)) {
		if ((n = read(fd, request + len, sizeof(request) - 1 - len)) <=
		    0)
			break;
		len += (size_t)n;
		request[len] = '\0';
		if (want == 0 && strstr(request, "\r\n\r\n") != NULL) {
			const char *size = strstr(request, "Content-Length: ");

			want =
			    (size_t)(strstr(request, "\r\n\r\n") + 4 - request);
			if (size != NULL)
				want += strtoul(size + 16, NULL, 10);
		}
	}
	(void)!write(p->report, request, len);
	(void)!write(p->report, "\n--\n", 4);
}

static int
serve(void *ctx)
{
	struct peer *p = ctx;
	struct pollfd wait = { .fd = p->listener, .events = POLLIN };

	(void)signal(SIGPIPE, SIG_IGN);
	while (poll(&wait, 1, SERVER_LIFE_MS) == 1) {
		int fd = accept(p->listener, NULL, NULL);

		if (fd == -1)
			return 1;
		read_request(p, fd);
		(void)!write(fd, p->answer, p->answer_len);
		if (!p->hold)
			(void)close(fd);
	}
	return 0;
}

static void
peer_start(struct peer *p, const char *answer, bool hold)
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
	p->answer = answer;
	if (p->answer_len == 0)
		p->answer_len = strlen(answer);
	p->hold = hold;
	p->report = ends[1];
	p->seen = ends[0];
	assert_int_equal(proc_fork(&p->process, serve, p, &e), 0);
	(void)close(ends[1]);
	(void)close(p->listener);
}

/* Ends the peer; what it has read goes to seen, if not NULL. */
static void
peer_stop(struct peer *p, struct buf *seen)
{
	char piece[4096];
	ssize_t n;

	proc_stop(&p->process, 0);
	proc_forget(&p->process);
	while ((n = read(p->seen, piece, sizeof(piece))) > 0)
		if (seen != NULL)
			buf_add(seen, piece, (size_t)n);
	(void)close(p->seen);
}

static struct net *
new_net(void)
{
	struct net *n = NULL;
	struct err e = { 0 };

	assert_int_equal(net_new(&n, &e), 0);
	return n;
}

static void
url_of(char out[100], const struct peer *p, const char *path)
{
	(void)snprintf(out, 100, "http://127.0.0.1:%u%s", p->port, path);
}

static void
an_answer_is_read_with_its_headers(void **state)
{
	static const char *const want[] = { "x-none", "X-Scopes", "x-empty",
		NULL };
	struct peer p = { 0 };
	struct net *n = new_net();
	char url[100];
	struct net_request rq = { .method = "GET",
		.url = url,
		.want = want,
		.max_body = 1000 };
	struct net_response rs;
	struct err e = { 0 };

	(void)state;
	peer_start(&p,
	    "HTTP/1.1 302 Found\r\nLocation: https://evil.example/x\r\n"
	    "Content-Type: application/json\r\nRetry-After: 17\r\n"
	    "x-scopes: repo, user\r\nX-Empty: \r\nContent-Length: 2\r\n\r\n{}",
	    false);
	url_of(url, &p, "/a?b");
	if (net_fetch(n, &rq, &rs, &e) != 0)
		fail_msg("%s", e.text);
	/* Not followed (U7): nobody went to that host. */
	assert_int_equal(rs.status, 302);
	assert_string_equal(rs.location, "https://evil.example/x");
	assert_string_equal(rs.content_type, "application/json");
	assert_int_equal(rs.retry_after_s, 17);
	assert_string_equal(rs.wanted[0], "");
	assert_false(rs.has_wanted[0]);
	assert_string_equal(rs.wanted[1], "repo, user");
	assert_true(rs.has_wanted[1]);
	assert_string_equal(rs.wanted[2], "");
	assert_true(rs.has_wanted[2]);
	assert_string_equal(rs.body.data, "{}");
	net_response_clear(&rs);
	peer_stop(&p, NULL);
	net_free(n);
}

static void
what_is_sent_is_what_was_asked(void **state)
{
	static const char *const headers[] = { "Authorization: Bearer x",
		"X-API-Key: k", NULL };
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH",
		"DELETE" };
	struct peer p = { 0 };
	struct net *n = new_net();
	char url[100], body[3000];
	struct net_request rq = { .url = url,
		.max_body = 1000,
		.headers = headers };
	struct buf seen = BUF(100000);
	struct net_response rs;
	struct err e = { 0 };

	(void)state;
	memset(body, 'b', sizeof(body));
	/* The environment has no say (U9). */
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
	peer_start(&p, "HTTP/1.1 204 No Content\r\n\r\n", false);
	url_of(url, &p, "/path");
	for (size_t i = 0; i < 5; i++) {
		rq.method = methods[i];
		rq.body = i >= 1 && i <= 3 ? body : NULL;
		rq.body_len = rq.body == NULL ? 0 : sizeof(body);
		if (net_fetch(n, &rq, &rs, &e) != 0)
			fail_msg("%s: %s", methods[i], e.text);
		assert_int_equal(rs.status, 204);
		assert_int_equal(rs.retry_after_s, -1);
		assert_true(rs.sent);
		net_response_clear(&rs);
	}
	rq.method = "POST";
	rq.body = NULL;
	rq.body_len = 0;
	assert_int_equal(net_fetch(n, &rq, &rs, &e), 0);
	net_response_clear(&rs);
	peer_stop(&p, &seen);
	assert_int_equal(unsetenv("http_proxy"), 0);
	for (size_t i = 0; i < 5; i++) {
		char line[50];

		(void)snprintf(line, sizeof(line), "%s /path HTTP/1.1\r\n",
		    methods[i]);
		assert_non_null(strstr(seen.data, line));
	}
	assert_non_null(strstr(seen.data, "Authorization: Bearer x\r\n"));
	assert_non_null(strstr(seen.data, "X-API-Key: k\r\n"));
	assert_non_null(strstr(seen.data, "Content-Length: 3000\r\n"));
	assert_non_null(strstr(seen.data, "Content-Length: 0\r\n"));
	assert_null(strstr(seen.data, "Expect:"));
	assert_null(strstr(seen.data, "Accept-Encoding:"));
	buf_clear(&seen);
	net_free(n);
}

static void
bounds_hold(void **state)
{
	static const struct {
		const char *answer;
		bool hold;
		size_t max_body;
		enum err_kind kind; /* ERR_NONE: an answer */
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", false, 5,
		    ERR_NONE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", false, 4,
		    ERR_BROKEN },
		/* A length that nobody said (U4). */
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "5\r\n12345\r\n0\r\n\r\n",
		    false, 4, ERR_BROKEN },
		{ "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false, 0,
		    ERR_NONE },
		/* Cut, silent, gone, or no HTTP at all (U2, U5). */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345", false, 9,
		    ERR_RETRY },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345", true, 9,
		    ERR_RETRY },
		{ "", false, 9, ERR_RETRY },
		{ "HTTP/1.1 200 OK\r\n", true, 9, ERR_RETRY },
	};
	struct net *n = new_net();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer p = { 0 };
		char url[100];
		struct net_request rq = { .method = "POST",
			.url = url,
			.timeout_ms = cases[i].hold ? 1500 : 60000,
			.max_body = cases[i].max_body };
		struct buf seen = BUF(10000);
		struct net_response rs;
		struct err e = { 0 };
		int rc;

		peer_start(&p, cases[i].answer, cases[i].hold);
		url_of(url, &p, "/");
		rc = net_fetch(n, &rq, &rs, &e);
		if (rc != (cases[i].kind == ERR_NONE ? 0 : -1) ||
		    e.kind != cases[i].kind)
			fail_msg("%zu: %s", i, e.text);
		assert_true(rs.sent);
		assert_true(rs.timed_out == (rc == -1 && cases[i].hold));
		peer_stop(&p, &seen);
		/* Never twice, whatever became of the first (U1). */
		assert_null(strstr(strstr(seen.data, "POST") + 4, "POST"));
		buf_clear(&seen);
		net_response_clear(&rs);
	}
	net_free(n);
}

static void
what_is_not_allowed_is_not_sent(void **state)
{
	static const char *const nine[] = { "a", "a", "a", "a", "a", "a", "a",
		"a", "a", NULL };
	static const char *const cr[] = { "X: a\r\nHost: evil", NULL };
	static const struct {
		struct net_request rq;
		const char *word;
	} cases[] = {
		{ { .method = "GET", .url = "file:///etc/passwd" }, "URL" },
		{ { .method = "GET", .url = "ftp://127.0.0.1/" }, "https" },
		{ { .method = "GET", .url = "not a url" }, "URL" },
		{ { .method = "GET", .url = "" }, "URL" },
		{ { .method = "GET", .url = "https://u:p@127.0.0.1/" },
		    "user" },
		{ { .method = "GET", .url = "https://u@127.0.0.1/" }, "user" },
		{ { .method = "get", .url = "https://127.0.0.1/" }, "method" },
		{ { .method = "GET\r\nX:", .url = "https://127.0.0.1/" },
		    "method" },
		{ { .method = "GET",
		      .url = "https://127.0.0.1/",
		      .want = nine },
		    "wanted" },
		{ { .method = "", .url = "https://127.0.0.1/" }, "method" },
		{ { .method = "GET",
		      .url = "https://127.0.0.1/",
		      .headers = cr },
		    "header 1" },
		/* http to others than ourselves; and ourselves by request */
		{ { .method = "GET", .url = "http://192.0.2.1/" }, "allowed" },
		{ { .method = "GET",
		      .url = "http://192.0.2.1/",
		      .proxy = "http://127.0.0.1:1" },
		    "http to" },
		{ { .method = "GET",
		      .url = "https://127.1/",
		      .public_only = true },
		    "allowed" },
		{ { .method = "GET",
		      .url = "https://2130706433/",
		      .public_only = true },
		    "allowed" },
		{ { .method = "GET",
		      .url = "https://[::ffff:10.0.0.1]/",
		      .public_only = true },
		    "allowed" },
	};
	struct net *n = new_net();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_response rs;
		struct err e = { 0 };

		assert_int_equal(net_fetch(n, &cases[i].rq, &rs, &e), -1);
		if (e.kind != ERR_INVALID || rs.sent ||
		    strstr(e.text, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].rq.url, e.text);
		net_response_clear(&rs);
	}
	net_free(n);
}

static void
a_peer_that_is_not_there_is_worth_a_retry(void **state)
{
	struct net *n = new_net();
	const struct net_request rq = { .method = "GET",
		.url = "https://127.0.0.1:1/secret?token=x",
		.timeout_ms = 2000 };
	struct net_response rs;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(net_fetch(n, &rq, &rs, &e), -1);
	assert_int_equal(e.kind, ERR_RETRY);
	assert_false(rs.sent);
	assert_null(strstr(e.text, "token"));
	net_response_clear(&rs);
	net_free(n);
	net_free(NULL);
}

static void
plain_text_is_not_taken_for_tls(void **state)
{
	struct peer p = { 0 };
	struct net *n = new_net();
	char url[100];
	struct net_request rq = { .method = "GET",
		.url = url,
		.max_body = 1000,
		.timeout_ms = 2000 };
	struct net_response rs;
	struct err e = { 0 };

	(void)state;
	peer_start(&p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", p.port);
	assert_int_equal(net_fetch(n, &rq, &rs, &e), -1);
	assert_false(rs.sent);
	net_response_clear(&rs);
	peer_stop(&p, NULL);
	net_free(n);
}

static void
addresses_are_public_or_not(void **state)
{
	static const struct {
		const char *text;
		bool public, loopback;
	} cases[] = {
		{ "8.8.8.8", true, false },
		{ "127.0.0.1", false, true },
		{ "127.255.255.255", false, true },
		{ "0.0.0.0", false, false },
		{ "10.1.2.3", false, false },
		{ "11.0.0.0", true, false },
		{ "100.64.0.1", false, false },
		{ "100.128.0.1", true, false },
		{ "169.254.169.254", false, false },
		{ "172.15.255.255", true, false },
		{ "172.16.0.1", false, false },
		{ "172.31.255.255", false, false },
		{ "172.32.0.0", true, false },
		{ "192.168.0.1", false, false },
		{ "198.19.255.255", false, false },
		{ "224.0.0.1", false, false },
		{ "255.255.255.255", false, false },
		{ "::1", false, true },
		{ "::", false, false },
		{ "::ffff:127.0.0.1", false, false },
		{ "::ffff:8.8.8.8", true, false },
		{ "64:ff9b::7f00:1", false, false },
		{ "64:ff9b::808:808", true, false },
		{ "2002:7f00:1::", false, false },
		{ "fe80::1", false, false },
		{ "fc00::1", false, false },
		{ "fd12::1", false, false },
		{ "ff02::1", false, false },
		{ "2001:db8::1", false, false },
		{ "2606:4700::1", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		union {
			struct sockaddr any;
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
		} a = { 0 };
		bool six = strchr(cases[i].text, ':') != NULL;

		a.any.sa_family = six ? AF_INET6 : AF_INET;
		assert_int_equal(
		    inet_pton(a.any.sa_family, cases[i].text,
			six ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr),
		    1);
		if (net_is_public(&a.any) != cases[i].public ||
		    net_is_loopback(&a.any) != cases[i].loopback)
			fail_msg("%s", cases[i].text);
	}
}

/* A certificate of nobody's, in PEM. */
static const char a_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBejCCAR+gAwIBAgIUZ26IJCpaHNXbb1ukdszE3LBzlQ0wCgYIKoZIzj0EAwIw\n"
    "ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyODIxNTEzNFoYDzIxMjYxMTA0MjE1\n"
    "MTM0WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
    "AAS0A5NZK1b6Rz9tb1iDkjxpUKWKhppAJpNfGG5o2Hpmq2CDBpbGnDKc3G+WewPS\n"
    "drGXSa5McAfdjasVFIFkijdJo1MwUTAdBgNVHQ4EFgQUK1ImQwnwbB0f7nDTzL5/\n"
    "yPC2sj0wHwYDVR0jBBgwFoAUK1ImQwnwbB0f7nDTzL5/yPC2sj0wDwYDVR0TAQH/\n"
    "BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA4EUTqj4mxTS77fSXNu1/yRsHJqph\n"
    "iv7vnZ0n02PGMc4CIQCpo7lFcwW6BsGQbDOKBskfcMGuUr5NFXghjtqArWzrLg==\n"
    "-----END CERTIFICATE-----\n";

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static void
certificates_are_read_again_when_they_change(void **state)
{
	char path[] = "/tmp/taskmill-test-ca.XXXXXX";
	struct err e = { 0 };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(path, a_certificate);
	assert_int_equal(net_warm(path, &e), 1);
	assert_int_equal(net_warm(path, &e), 0);
	/* Its own length tells: the clock of the disk may be coarse. */
	write_file(path, "no certificate");
	assert_int_equal(net_warm(path, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	write_file(path, a_certificate);
	assert_int_equal(net_warm(path, &e), 1);
	(void)unlink(path);
	assert_int_equal(net_warm(path, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
}

/* More files than are kept: each is what it is, whoever had to go for it. */
static void
many_files_of_certificates(void **state)
{
	char paths[6][64];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]),
		    "/tmp/taskmill-ca-%ld-%d", (long)getpid(), i);
		write_file(paths[i], a_certificate);
		assert_int_equal(net_warm(paths[i], &e), 1);
	}
	assert_int_equal(net_warm(paths[5], &e), 0);
	assert_int_equal(net_warm(paths[0], &e), 1);
	for (int i = 0; i < 6; i++)
		(void)unlink(paths[i]);
}

static void
unreadable_certificates_end_a_request(void **state)
{
	const struct net_request rq = { .method = "GET",
		.url = "https://127.0.0.1:1/",
		.max_body = 10,
		.ca_file = "/nonexistent/ca.pem" };
	struct net_response rs;
	struct err e = { 0 };
	struct net *n = new_net();

	(void)state;
	assert_int_equal(net_fetch(n, &rq, &rs, &e), -1);
	assert_int_equal(e.kind, ERR_BROKEN);
	assert_non_null(strstr(e.text, "/nonexistent/ca.pem"));
	net_response_clear(&rs);
	net_free(n);
}

static int
start(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return net_init(&e);
}

static int
end(void **state)
{
	(void)state;
	net_end();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read_with_its_headers),
		cmocka_unit_test(what_is_sent_is_what_was_asked),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(what_is_not_allowed_is_not_sent),
		cmocka_unit_test(a_peer_that_is_not_there_is_worth_a_retry),
		cmocka_unit_test(plain_text_is_not_taken_for_tls),
		cmocka_unit_test(addresses_are_public_or_not),
		cmocka_unit_test(certificates_are_read_again_when_they_change),
		cmocka_unit_test(many_files_of_certificates),
		cmocka_unit_test(unreadable_certificates_end_a_request),
	};

	return cmocka_run_group_tests(tests, start, end);
}
