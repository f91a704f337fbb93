#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "api/account.h"

#define LOOPBACK_4 127
#define NETWORK_BYTES 8 /* of an IPv6 address: the first half */

bool
call_is_local(const struct call *c)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, c->rq->remote_addr, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == LOOPBACK_4;
	if (inet_pton(AF_INET6, c->rq->remote_addr, &v6) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return v6.s6_addr[12] == LOOPBACK_4;
	return IN6_IS_ADDR_LOOPBACK(&v6);
}

void
call_address(const struct call *c, char out[ADDRESS_TEXT])
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, c->rq->remote_addr, &v6) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&v6)) {
		snprintf(out, ADDRESS_TEXT, "%s", c->rq->remote_addr);
		return;
	}
	memset(v6.s6_addr + NETWORK_BYTES, 0,
	    sizeof(v6.s6_addr) - NETWORK_BYTES);
	if (inet_ntop(AF_INET6, &v6, out, ADDRESS_TEXT) == NULL)
		out[0] = '\0'; /* cannot be: the room is enough */
}
