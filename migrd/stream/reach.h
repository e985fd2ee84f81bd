/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream/reach.h -- is the data port of another host reachable from here?  A connection is made and
 * closed again; the port logs that somebody has closed it. */
#ifndef MIGRD_STREAM_REACH_H
#define MIGRD_STREAM_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct stream_reach {
	uint64_t mtu_bytes;  /* of the way as the kernel knows it (ip(7), IP_MTU); 0: not known */
	uint64_t round_trip_us; /* of the handshake of TCP (tcp(7), TCP_INFO) */
};

/* Of a connection that was made.  Thread: any. */
struct stream_reach stream_reach_of(int fd);
/* All that has come over it by now, whether it was read or not; 0: the kernel does not tell. */
uint64_t stream_received_bytes(int fd);
/* ADDRESS is "HOST:PORT".  UNAVAILABLE, TIMEOUT: as link_connect().  Thread: a worker. */
bool stream_reach_blocking(const char *address, uint32_t timeout_ms, struct stream_reach *ret,
			   struct err *err);

#endif
