#include "util/net_trust.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/net.h"
#include "util/text.h"

#define FILES_MAX 4 /* of one process; it has one or two */

/* A file as it was when it was read. */
struct trusted {
	char *path; /* NULL: not used */
	struct stat seen;
	X509_STORE *store;
};

static struct trusted known[FILES_MAX];
static size_t oldest;

/* Is the TLS that libcurl uses the library that we are linked with? */
static bool
is_ours(const curl_version_info_data *v)
{
	char ours[16];

	(void)snprintf(ours, sizeof(ours), "OpenSSL/%u.",
	    OPENSSL_version_major());
	return v->ssl_version != NULL &&
	    strncmp(v->ssl_version, ours, strlen(ours)) == 0;
}

static bool
is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* folder: hashed names, looked up when they are needed; NULL: none. */
static int
read_store(X509_STORE **out, const char *file, const char *folder,
    struct err *e)
{
	X509_STORE *store = X509_STORE_new();

	*out = NULL;
	if (store == NULL)
		return err_set(e, ERR_RETRY, "out of memory");
	if (X509_STORE_load_file(store, file) != 1 ||
	    (folder != NULL && X509_STORE_load_path(store, folder) != 1)) {
		X509_STORE_free(store);
		ERR_clear_error();
		return err_set(e, ERR_BROKEN,
		    "%.300s: no certificates can be read from it", file);
	}
	/* As libcurl's own: a file may name the certificate to stop at. */
	(void)X509_STORE_set_flags(store,
	    X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	*out = store;
	return 0;
}

/* The place of a file, whatever is known of it; that of the oldest for a new
 * one. */
static struct trusted *
place_of(const char *path)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (known[i].path != NULL && strcmp(known[i].path, path) == 0)
			return &known[i];
	return &known[oldest++ % FILES_MAX];
}

static void
forget(struct trusted *t)
{
	free(t->path);
	X509_STORE_free(t->store);
	*t = (struct trusted){ 0 };
}

int
net_trust(const char *ca_file, X509_STORE **store, bool *read, struct err *e)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	const char *path = ca_file != NULL ? ca_file : v->cainfo;
	struct trusted *t;
	struct stat now;

	*store = NULL;
	*read = false;
	if (!is_ours(v) || path == NULL)
		return 0;
	if (stat(path, &now) == -1)
		return err_sys(e, ERR_BROKEN, "certificates in %.300s", path);
	t = place_of(path);
	if (t->path == NULL || strcmp(t->path, path) != 0 ||
	    !is_unchanged(&t->seen, &now)) {
		forget(t);
		if (text_set(&t->path, path, e) == -1 ||
		    read_store(&t->store, path,
			ca_file == NULL ? v->capath : NULL, e) == -1) {
			forget(t);
			return -1;
		}
		t->seen = now;
		*read = true;
	}
	(void)X509_STORE_up_ref(t->store);
	*store = t->store;
	return 0;
}

/* Called by libcurl for each connection, before its handshake. */
static CURLcode
set_store(CURL *curl, void *ctx, void *store)
{
	(void)curl;
	SSL_CTX_set1_cert_store(ctx, store);
	return CURLE_OK;
}

CURLcode
net_trust_use(CURL *curl, X509_STORE *store)
{
	CURLcode rc = CURLE_OK;

#define SET(option, value) \
	(rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, option, value))
	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_CTX_FUNCTION, set_store);
	SET(CURLOPT_SSL_CTX_DATA, store);
#undef SET
	return rc;
}
