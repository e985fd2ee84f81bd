/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/reach.h"

#include <linux/tcp.h> /* which has more than netinet/tcp.h */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "stream/link.h"

static uint64_t mtu_of(int fd)
{
	int mtu = 0;
	socklen_t size = sizeof(mtu);

	if (getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &size) != 0 &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &size) != 0)
		return 0;
	return mtu > 0 ? (uint64_t)mtu : 0;
}

static uint64_t round_trip_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_rtt : 0;
}

uint64_t stream_received_bytes(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received
									: 0;
}

struct stream_reach stream_reach_of(int fd)
{
	return (struct stream_reach){ mtu_of(fd), round_trip_of(fd) };
}

bool stream_reach_blocking(const char *address, uint32_t timeout_ms, struct stream_reach *ret,
			   struct err *err)
{
	struct link link = LINK_INIT;

	if (!link_connect(&link, address, timeout_ms, clock_monotonic_ms() + timeout_ms, err))
		return false;
	*ret = stream_reach_of(link.fd);
	link_close(&link);
	return true;
}
