#include "util/net.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "util/net_call.h"

struct net {
	CURL *curl;
};

int
net_init(struct err *e)
{
	CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (rc != CURLE_OK)
		return err_set(e, ERR_BROKEN, "libcurl: %s",
		    curl_easy_strerror(rc));
	return 0;
}

void
net_end(void)
{
	curl_global_cleanup();
}

/* A blank handle and a blank context: what they need is looked up once. */
static int
warm_libraries(struct err *e)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	CURL *curl = curl_easy_init();
	int rc = 0;

	if (tls == NULL || curl == NULL)
		rc = err_set(e, ERR_RETRY, "out of memory");
	SSL_CTX_free(tls);
	curl_easy_cleanup(curl);
	return rc;
}

int
net_warm(const char *ca_file, struct err *e)
{
	static bool warm;
	X509_STORE *store;
	bool read = false;

	if (!warm && warm_libraries(e) == -1)
		return -1;
	warm = true;
	if (net_trust(ca_file, &store, &read, e) == -1)
		return -1;
	X509_STORE_free(store);
	return read ? 1 : 0;
}

int
net_new(struct net **n, struct err *e)
{
	if ((*n = calloc(1, sizeof(**n))) == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (((*n)->curl = curl_easy_init()) == NULL) {
		free(*n);
		*n = NULL;
		return err_set(e, ERR_RETRY, "libcurl: no handle");
	}
	return 0;
}

void
net_free(struct net *n)
{
	if (n == NULL)
		return;
	curl_easy_cleanup(n->curl);
	free(n);
}

void
net_response_clear(struct net_response *rs)
{
	buf_clear(&rs->body);
}

int
net_fetch(struct net *n, const struct net_request *rq, struct net_response *rs,
    struct err *e)
{
	struct net_call c;
	int rc = -1;

	if (net_call_open(&c, n->curl, rq, rs, e) == 0)
		rc = net_call_done(&c, curl_easy_perform(n->curl), e);
	net_call_close(&c);
	return rc;
}
