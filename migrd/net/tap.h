/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/tap.h -- checks whether a guest may be given a tap of the host.  Thread: a worker, for it
 * waits for the kernel. */
#ifndef MIGRD_NET_TAP_H
#define MIGRD_NET_TAP_H

#include <stdbool.h>

#include "base/err.h"
#include "net/link.h"

/* NOT_FOUND: there is no interface IFNAME, and QEMU would make one that is down and in no
 * bridge (net/tap-linux.c); CONFLICT: it is down, or no port of BRIDGE ("": not checked). */
bool net_tap_check_blocking(const char *ifname, const char *bridge, struct err *err);
/* The same for LINK, as net_link_look_blocking() found IFNAME.  CONFLICT. */
bool net_tap_check_link_blocking(const char *ifname, const struct net_link *link,
				 const char *bridge, struct err *err);

#endif
