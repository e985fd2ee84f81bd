/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/plan.h -- what to change on the host so that its network follows a guest.
 *
 * Thread: any (pure).
 */
#ifndef MIGRD_NET_PLAN_H
#define MIGRD_NET_PLAN_H

#include "net/filter.h"

enum net_kind {
	/* Its own address, flags and address list say what gets to the guest. */
	NET_KIND_MACVTAP,
	/* A tap: the bridge's forwarding entries lead to it.  All static entries of
	 * the port are the guest's. */
	NET_KIND_BRIDGE_PORT,
};

#define NET_PRESENT_MAX 1024

/* What the kernel has for the interface. */
struct net_present {
	enum net_kind kind;
	bool takes_unicast; /* macvtap of mode passthru: no other takes further unicast */
	struct net_mac main;
	bool promiscuous, all_multicast;
	size_t count;
	struct net_mac macs[NET_PRESENT_MAX];
};

enum net_change_kind {
	NET_CHANGE_MAIN,          /* to MAC */
	NET_CHANGE_PROMISCUOUS,   /* to ON */
	NET_CHANGE_ALL_MULTICAST, /* to ON */
	NET_CHANGE_ADD,           /* MAC */
	NET_CHANGE_REMOVE,        /* MAC */
};

struct net_change {
	enum net_change_kind kind;
	bool on;
	struct net_mac mac;
};

struct net_plan {
	size_t count;
	struct net_change list[3 + 1 + NET_FILTER_MAX + NET_PRESENT_MAX];
};

/* Additions come before removals, so that nothing is missed in between. */
void net_plan_make(const struct net_present *present, const struct net_filter *want,
		   struct net_plan *ret);

#endif
