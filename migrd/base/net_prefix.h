/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/net_prefix.h -- groups callers by network: those of one network count as one.
 *
 * A single machine usually has a whole IPv6 /64 to call from (RFC 4291, 2.5.4), and
 * often several IPv4 addresses side by side.  Thread: any.
 */
#ifndef MIGRD_BASE_NET_PREFIX_H
#define MIGRD_BASE_NET_PREFIX_H

#include <sys/socket.h>

#define NET_ADDRESS_SIZE 48
#define NET_PREFIX_SIZE  52

/* "192.0.2.7", "2001:db8::7"; IPv4 in IPv6 (::ffff:192.0.2.7) as IPv4; "local" for an address
 * of another family. */
void net_address_name(const struct sockaddr_storage *address, char ret[NET_ADDRESS_SIZE]);
/* "192.0.2.0/24", "2001:db8::/64", "local". */
void net_prefix_name(const struct sockaddr_storage *address, char ret[NET_PREFIX_SIZE]);

#endif
