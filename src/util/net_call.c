/* One request in libcurl's terms. See net_call.h. */
#include "util/net_call.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "util/net_address.h"

#define HEADERS_MAX 64

/* libcurl's limit of size does not hold for every answer (U4). */
static size_t
take_body(char *bytes, size_t one, size_t len, void *ctx)
{
	struct net_call *c = ctx;

	buf_add(&c->rs->body, bytes, one * len);
	if (!buf_ok(&c->rs->body)) {
		c->too_large = true;
		return 0;
	}
	return one * len;
}

/* Sees each address that libcurl is about to connect to (U10). */
static curl_socket_t
open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct net_call *c = ctx;

	(void)purpose;
	/* A proxy is the operator's own choice, and looks where it leads. */
	if (c->rq->proxy == NULL &&
	    ((c->rq->public_only && !net_is_public(&address->addr)) ||
		(c->http && !c->rq->allow_http &&
		    !net_is_loopback(&address->addr)))) {
		c->forbidden = true;
		return CURL_SOCKET_BAD;
	}
	/* libcurl's own sockets would survive an exec (U13). */
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

/* Reads scheme and host, and refuses what we never send to. */
static int
read_url(struct net_call *c, CURLU *url, struct err *e)
{
	char *scheme = NULL, *host = NULL, *user = NULL;
	int rc = -1;

	if (curl_url_set(url, CURLUPART_URL, c->rq->url, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		(void)err_set(e, ERR_INVALID, "not a URL that can be fetched");
		goto out;
	}
	c->http = strcmp(scheme, "http") == 0;
	if (!c->http && strcmp(scheme, "https") != 0) {
		(void)err_set(e, ERR_INVALID, "%.16s is not https", scheme);
		goto out;
	}
	if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK) {
		(void)err_set(e, ERR_INVALID, "a URL with a user in it");
		goto out;
	}
	/* With a proxy nobody but the proxy would see where http goes. */
	if (c->http && !c->rq->allow_http && c->rq->proxy != NULL) {
		(void)err_set(e, ERR_INVALID, "http to %.200s", host);
		goto out;
	}
	if (strlen(host) >= sizeof(c->host)) {
		(void)err_set(e, ERR_INVALID, "the host's name is too long");
		goto out;
	}
	memcpy(c->host, host, strlen(host) + 1);
	rc = 0;
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	return rc;
}

static bool
is_short(const char *const *names, size_t max)
{
	size_t n = 0;

	while (names != NULL && names[n] != NULL && n <= max)
		n++;
	return n <= max;
}

static bool
is_method(const char *method)
{
	size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return len > 0 && len <= 16 && method[len] == '\0';
}

/* The list of headers; NULL with *e. Never empty: it silences Expect (U14). */
static struct curl_slist *
make_headers(const struct net_request *rq, struct err *e)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *longer;

	for (size_t i = 0;
	     list != NULL && rq->headers != NULL && rq->headers[i] != NULL;
	     i++) {
		if (i == HEADERS_MAX ||
		    strpbrk(rq->headers[i], "\r\n") != NULL) {
			curl_slist_free_all(list);
			(void)err_set(e, ERR_INVALID, "header %zu", i + 1);
			return NULL;
		}
		longer = curl_slist_append(list, rq->headers[i]);
		if (longer == NULL)
			curl_slist_free_all(list);
		list = longer;
	}
	if (list == NULL)
		(void)err_set(e, ERR_RETRY, "out of memory");
	return list;
}

/* What holds for every request, whatever it asks. */
static CURLcode
set_fences(CURL *curl, struct net_call *c)
{
	const struct net_request *rq = c->rq;
	int limit = rq->timeout_ms == 0 ? NET_TIMEOUT_MS
	    : rq->timeout_ms > 0        ? rq->timeout_ms
					: 0;
	int connect =
	    limit > 0 && limit < NET_CONNECT_MS ? limit : NET_CONNECT_MS;
	CURLcode rc = CURLE_OK;

#define SET(option, value) \
	(rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, option, value))
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, c->http ? "http" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_PROXY, rq->proxy == NULL ? "" : rq->proxy);
	SET(CURLOPT_TIMEOUT_MS, (long)limit);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, c);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, c);
	SET(CURLOPT_USERAGENT, "taskmill");
	if (c->trust != NULL)
		return rc != CURLE_OK ? rc : net_trust_use(curl, c->trust);
	if (rq->ca_file != NULL)
		SET(CURLOPT_CAINFO, rq->ca_file);
	return rc;
}

static CURLcode
set_request(CURL *curl, const struct net_request *rq, CURLU *url,
    struct curl_slist *headers)
{
	bool head = strcmp(rq->method, "HEAD") == 0;
	bool get = strcmp(rq->method, "GET") == 0;
	bool body = rq->body != NULL || strcmp(rq->method, "POST") == 0 ||
	    strcmp(rq->method, "PUT") == 0 || strcmp(rq->method, "PATCH") == 0;
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_CURLU, url);
	SET(CURLOPT_HTTPHEADER, headers);
	if (body) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
		SET(CURLOPT_POSTFIELDS, rq->body == NULL ? "" : rq->body);
	}
	if (head)
		SET(CURLOPT_NOBODY, 1L);
	else if (!get || body)
		SET(CURLOPT_CUSTOMREQUEST, rq->method);
	/* U1; and an old connection was opened before anybody looked (U10). */
	if ((!get && !head && !rq->repeatable) || rq->public_only) {
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_FORBID_REUSE, 1L);
	}
#undef SET
	return rc;
}

/*
 * Copies a header of the answer; "" and false when it is not there or, which
 * *too_long tells (it may be NULL), does not fit.
 */
static bool
copy_header(CURL *curl, const char *name, char *out, size_t size,
    bool *too_long)
{
	struct curl_header *h;
	size_t len;

	out[0] = '\0';
	if (too_long != NULL)
		*too_long = false;
	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return false;
	/* 7.88 leaves the end of the line in a value that is empty. */
	len = strcspn(h->value, "\r\n");
	if (len >= size) {
		if (too_long != NULL)
			*too_long = true;
		return false;
	}
	memcpy(out, h->value, len);
	out[len] = '\0';
	return true;
}

static void
read_answer(CURL *curl, const struct net_request *rq, struct net_response *rs)
{
	curl_off_t wait_s = 0;
	long status = 0;
	char said[64];

	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	rs->status = (int)status;
	(void)copy_header(curl, "Location", rs->location, sizeof(rs->location),
	    NULL);
	(void)copy_header(curl, "Content-Type", rs->content_type,
	    sizeof(rs->content_type), NULL);
	for (size_t i = 0; rq->want != NULL && rq->want[i] != NULL; i++)
		rs->has_wanted[i] = copy_header(curl, rq->want[i],
		    rs->wanted[i], sizeof(rs->wanted[i]), &rs->long_wanted[i]);
	(void)copy_header(curl, "Retry-After", said, sizeof(said), NULL);
	/* Reads seconds and dates alike; the text only tells 0 from nothing. */
	if (said[0] != '\0' &&
	    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s) == CURLE_OK)
		rs->retry_after_s =
		    wait_s > INT32_MAX ? INT32_MAX : (int)wait_s;
}

static enum err_kind
kind_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ERR_INVALID;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WRITE_ERROR:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return ERR_BROKEN;
	default:
		return ERR_RETRY; /* network, time, memory */
	}
}

static int
failed(const struct net_call *c, CURLcode rc, struct err *e)
{
	if (c->too_large)
		return err_set(e, ERR_BROKEN,
		    "%s: the answer has more than %zu bytes", c->host,
		    c->rq->max_body);
	if (c->forbidden)
		return err_set(e, ERR_INVALID, "%s: its address is not allowed",
		    c->host);
	return err_set(e, kind_of(rc), "%s: %s", c->host,
	    curl_easy_strerror(rc));
}

int
net_call_open(struct net_call *c, CURL *curl, const struct net_request *rq,
    struct net_response *rs, struct err *e)
{
	CURLcode rc;
	bool read;

	*c = (struct net_call){ .rq = rq, .rs = rs, .curl = curl };
	memset(rs, 0, sizeof(*rs));
	rs->retry_after_s = -1;
	rs->body.max = rq->max_body;
	if (!is_method(rq->method))
		return err_set(e, ERR_INVALID, "not an HTTP method");
	if (!is_short(rq->want, NET_WANT_MAX))
		return err_set(e, ERR_INVALID, "too many headers wanted");
	if ((c->url = curl_url()) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (read_url(c, c->url, e) == -1 ||
	    (c->headers = make_headers(rq, e)) == NULL ||
	    (!c->http && net_trust(rq->ca_file, &c->trust, &read, e) == -1))
		return -1;
	if ((rc = set_fences(curl, c)) != CURLE_OK ||
	    (rc = set_request(curl, rq, c->url, c->headers)) != CURLE_OK)
		return failed(c, rc, e);
	return 0;
}

int
net_call_done(struct net_call *c, CURLcode rc, struct err *e)
{
	curl_off_t bytes = 0;
	long request = 0;

	(void)curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &request);
	(void)curl_easy_getinfo(c->curl, CURLINFO_SIZE_UPLOAD_T, &bytes);
	c->rs->sent = request > 0 || bytes > 0;
	c->rs->timed_out = rc == CURLE_OPERATION_TIMEDOUT;
	if (rc != CURLE_OK)
		return failed(c, rc, e);
	read_answer(c->curl, c->rq, c->rs);
	return 0;
}

void
net_call_close(struct net_call *c)
{
	if (c->curl != NULL)
		curl_easy_reset(c->curl); /* it pointed here */
	curl_slist_free_all(c->headers);
	curl_url_cleanup(c->url);
	X509_STORE_free(c->trust);
	*c = (struct net_call){ 0 };
}
