/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/counters.h -- what an interface of the host has counted, by netlink.
 *
 * They are of the network namespace of this process, and begin with 0 when the interface is made.
 * Thread: a worker. */
#ifndef MIGRD_NET_COUNTERS_H
#define MIGRD_NET_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct net_counted {
	uint64_t bytes, packets, dropped, errors;
};

struct net_counters {
	struct net_counted rx,
		tx; /* as the host sees it: what a tap has received, its guest has sent */
};

struct net_counting;
/* One socket for the interfaces of a look. */
struct net_counting *net_counting_new_blocking(struct err *err);
void net_counting_free(struct net_counting *counting); /* accepts NULL */
/* NOT_FOUND: there is no such interface. */
bool net_counters_read_blocking(struct net_counting *counting, const char *ifname,
				struct net_counters *ret, struct err *err);

#endif
