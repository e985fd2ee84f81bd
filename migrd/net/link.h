/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/link.h -- what an interface of the host is, by netlink.  Thread: a worker. */
#ifndef MIGRD_NET_LINK_H
#define MIGRD_NET_LINK_H

#include <net/if.h>
#include <stdbool.h>

#include "base/err.h"

struct net_link {
	bool is_up; /* IFF_UP: somebody has set it up; a cable may be missing */
	bool is_macvtap;
	char master[IF_NAMESIZE]; /* the bridge that it is a port of; "": none */
};

/* NOT_FOUND when there is no such interface. */
bool net_link_look_blocking(const char *ifname, struct net_link *ret, struct err *err);

#endif
