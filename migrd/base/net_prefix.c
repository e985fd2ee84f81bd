/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/net_prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define V4_KEPT_BYTES 3
#define V6_KEPT_BYTES 8

/* Copies the bytes of ADDRESS; returns AF_INET, AF_INET6, or AF_UNSPEC if it is neither. */
static int bytes_of(const struct sockaddr_storage *address, unsigned char ret[16])
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (address->ss_family) {
	case AF_INET:
		memcpy(&in, address, sizeof(in));
		memcpy(ret, &in.sin_addr, 4);
		return AF_INET;
	case AF_INET6:
		memcpy(&in6, address, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			memcpy(ret, in6.sin6_addr.s6_addr + 12, 4);
			return AF_INET;
		}
		memcpy(ret, &in6.sin6_addr, 16);
		return AF_INET6;
	}
	return AF_UNSPEC;
}

void net_address_name(const struct sockaddr_storage *address, char ret[NET_ADDRESS_SIZE])
{
	unsigned char bytes[16];
	int family = bytes_of(address, bytes);

	if (family == AF_UNSPEC || !inet_ntop(family, bytes, ret, NET_ADDRESS_SIZE))
		snprintf(ret, NET_ADDRESS_SIZE, "local");
}

void net_prefix_name(const struct sockaddr_storage *address, char ret[NET_PREFIX_SIZE])
{
	unsigned char bytes[16];
	char text[NET_ADDRESS_SIZE];
	int family = bytes_of(address, bytes);
	size_t kept = family == AF_INET ? V4_KEPT_BYTES : V6_KEPT_BYTES;

	if (family == AF_UNSPEC) {
		snprintf(ret, NET_PREFIX_SIZE, "local");
		return;
	}
	memset(bytes + kept, 0, sizeof(bytes) - kept);
	if (!inet_ntop(family, bytes, text, sizeof(text)))
		text[0] = '\0';
	snprintf(ret, NET_PREFIX_SIZE, "%s/%d", text, (int)kept * 8);
}
