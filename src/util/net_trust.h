#ifndef UTIL_NET_TRUST_H
#define UTIL_NET_TRUST_H

#include <curl/curl.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>

#include "util/err.h"

/*
 * net_trust: the certificates that peers are checked with. Private to net.
 *
 * libcurl reads and parses the system's bundle anew for each connection, which
 * costs some milliseconds and more than a megabyte each time. Here each file
 * is read once in a process, and again when it has changed; a process that is
 * forked afterwards shares what was read (net_warm()).
 */

/*
 * What is trusted by ca_file (NULL: by the system). 0 with *store, which the
 * caller gives back with X509_STORE_free(), or with NULL: libcurl has to look
 * after it itself, since its TLS is not ours. *read: the file was read for it
 * now. ERR_BROKEN: it cannot be read.
 */
int net_trust(const char *ca_file, X509_STORE **store, bool *read,
    struct err *e) MUST_CHECK;

/* Has curl check its peer with the store, which must outlive its transfer. */
CURLcode net_trust_use(CURL *curl, X509_STORE *store);

#endif
