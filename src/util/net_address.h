#ifndef UTIL_NET_ADDRESS_H
#define UTIL_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * net_address: what kind of address a name has led to. Private to net.
 */

/* This machine's own: 127.0.0.0/8, ::1. */
bool net_is_loopback(const struct sockaddr *address);

/*
 * Reachable by everybody: neither loopback nor private, link-local, shared,
 * multicast or reserved; IPv4 inside IPv6 is judged as IPv4.
 */
bool net_is_public(const struct sockaddr *address);

#endif
