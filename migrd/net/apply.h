/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/apply.h -- makes a guest's interface on the host follow the guest, by netlink.
 *
 * Needs CAP_NET_ADMIN.  Thread: a worker, for it waits for the kernel.
 * Source: rtnetlink(7), bridge(8), linux/neighbour.h.
 */
#ifndef MIGRD_NET_APPLY_H
#define MIGRD_NET_APPLY_H

#include "net/filter.h"

/* Makes the interface IFNAME, a macvtap or a tap that is a port of a bridge, follow
 * WANT; RET_CHANGES: how many changes were made.  A tap on no bridge needs nothing.  NOT_FOUND
 * when there is no such interface; otherwise the error of the first change that failed; the
 * others are tried all the same. */
bool net_apply_blocking(const char *ifname, const struct net_filter *want, size_t *ret_changes,
			struct err *err);

/* Opens the character device of a macvtap, through which the guest's frames go. */
bool net_open_macvtap(const char *ifname, int *ret_fd, struct err *err);

#endif
