/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/tap_share.h -- a tap that one QEMU has open and another of this host gets, without a moment
 * in which nobody has it: the interface would lose its carrier, for up to a second.
 *
 * A tap of one queue can be opened by its name once (EBUSY), so the second QEMU gets a duplicate of
 * the first one's descriptor.  A QEMU that starts sets the settings of its taps to defaults
 * (net_tap_fd_init() of net/tap.c), and they belong to the interface: while the guest of the other
 * runs on, they must be what its driver has asked for, else each frame is off by two bytes.
 * So they are looked at before, and set again.
 *
 * Thread: any; only the kernel's memory is read, and nothing waits.
 * Source: pidfd_getfd(2); tun_chr_show_fdinfo() and set_offload() of drivers/net/tun.c of Linux.
 */
#ifndef MIGRD_NET_TAP_SHARE_H
#define MIGRD_NET_TAP_SHARE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What a QEMU sets in its tap as its guest's driver asks for it. */
struct net_tap_settings {
	uint64_t header_bytes; /* before each frame: TUNSETVNETHDRSZ */
	uint64_t offloads;     /* TUN_F_... of linux/if_tun.h */
};

/* RET_FD: a duplicate of the descriptor by which process PID has the tap IFNAME, closed by exec;
 * the caller's.  CONFLICT: it has none; FORBIDDEN: this process may not take it, which needs the
 * right to trace PID. */
bool net_tap_take(pid_t pid, const char *ifname, int *ret_fd, struct err *err);
/* FD: of the tap IFNAME.  INTERNAL. */
bool net_tap_settings_get(int fd, const char *ifname, struct net_tap_settings *ret,
			  struct err *err);
bool net_tap_settings_set(int fd, const struct net_tap_settings *settings, struct err *err);

#endif
