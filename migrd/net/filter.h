/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/filter.h -- what a guest wants its NIC to receive.
 *
 * Thread: any (pure).  Source: QEMU qapi/net.json, RxFilterInfo.
 */
#ifndef MIGRD_NET_FILTER_H
#define MIGRD_NET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* QEMU's virtio-net keeps 64 addresses in all (hw/net/virtio-net.c), and says so
 * when there are more. */
#define NET_FILTER_MAX 128

struct net_mac {
	uint8_t bytes[6];
};

/* All zero: receives nothing, as a NIC without a guest. */
struct net_filter {
	bool has_main;
	struct net_mac main;
	bool promiscuous;   /* all unicast, or more than the table can hold */
	bool all_multicast; /* likewise */
	size_t count;
	struct net_mac macs[NET_FILTER_MAX]; /* further unicast, and multicast */
};

/* INFO: one element of the answer to query-rx-filter.  INVALID: it has no main
 * address.  Malformed addresses are left out. */
bool net_filter_decode(struct json_object *info, struct net_filter *ret, struct err *err);

bool net_mac_parse(const char *text, struct net_mac *ret);
bool net_mac_is_multicast(const struct net_mac *mac);
bool net_mac_equal(const struct net_mac *a, const struct net_mac *b);

#endif
