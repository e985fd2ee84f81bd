/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/announce.h -- tells the network behind an interface which addresses lead to it.
 *
 * Needs CAP_NET_RAW.  Thread: a worker, for it waits for the kernel.
 * Source: RFC 903 (RARP), as QEMU's net/announce.c sends; packet(7).
 */
#ifndef MIGRD_NET_ANNOUNCE_H
#define MIGRD_NET_ANNOUNCE_H

#include "net/filter.h"

/* Sends a frame from each unicast address of FILTER to all: from the bridge of which the tap
 * IFNAME is a port, or from the macvtap IFNAME.  A tap on no bridge leads to nobody else, and
 * nothing is sent.  NOT_FOUND: there is no such interface. */
bool net_announce_blocking(const char *ifname, const struct net_filter *filter, struct err *err);

#endif
