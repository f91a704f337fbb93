#include "util/net_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What is not public in IPv4, by IANA's registry of special addresses. */
/* clang-format off */
static const struct {
	uint32_t net;
	unsigned int bits;
} special4[] = {
	{ 0x00000000,  8 }, /* 0.0.0.0         this network */
	{ 0x0a000000,  8 }, /* 10.0.0.0        private */
	{ 0x64400000, 10 }, /* 100.64.0.0      shared by a provider */
	{ 0x7f000000,  8 }, /* 127.0.0.0       loopback */
	{ 0xa9fe0000, 16 }, /* 169.254.0.0     link-local, clouds' metadata */
	{ 0xac100000, 12 }, /* 172.16.0.0      private */
	{ 0xc0000000, 24 }, /* 192.0.0.0       protocols */
	{ 0xc0000200, 24 }, /* 192.0.2.0       examples */
	{ 0xc0a80000, 16 }, /* 192.168.0.0     private */
	{ 0xc6120000, 15 }, /* 198.18.0.0      measurements */
	{ 0xc6336400, 24 }, /* 198.51.100.0    examples */
	{ 0xcb007100, 24 }, /* 203.0.113.0     examples */
	{ 0xe0000000,  3 }, /* 224.0.0.0       multicast, reserved, broadcast */
};

/* IPv6 prefixes behind which the last four bytes, or bytes 2 to 5, are IPv4. */
static const struct {
	unsigned char prefix[12];
	size_t len;
	size_t at;
} carriers[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 12, 12 }, /* mapped */
	{ { 0 },                                        12, 12 }, /* compatible */
	{ { 0x00, 0x64, 0xff, 0x9b },                   12, 12 }, /* NAT64 */
	{ { 0x20, 0x02 },                                2,  2 }, /* 6to4 */
};
/* clang-format on */

static bool
is_public4(uint32_t a)
{
	for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
		if (((a ^ special4[i].net) >> (32 - special4[i].bits)) == 0)
			return false;
	return true;
}

static uint32_t
read4(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static bool
is_public6(const unsigned char a[16])
{
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (memcmp(a, carriers[i].prefix, carriers[i].len) == 0)
			return is_public4(read4(a + carriers[i].at));
	/* 2000::/3 is all that is given out; of it, 2001:db8::/32 is not. */
	if ((a[0] & 0xe0) != 0x20)
		return false;
	return !(a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8);
}

bool
net_is_public(const struct sockaddr *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		return is_public4(ntohl(in.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		return is_public6(in6.sin6_addr.s6_addr);
	}
	return false;
}

bool
net_is_loopback(const struct sockaddr *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
	return false;
}
