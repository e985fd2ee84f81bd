/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/tap_share.h -- a tap or macvtap that one QEMU has open and another of this host gets, without
 * a moment in which nobody has it: a tap would lose its carrier, for up to a second.
 *
 * A tap of one queue can be opened by its name once (EBUSY), and each time that a macvtap is opened
 * makes a queue of its own, among which the kernel deals out the frames.  So the second QEMU gets a
 * duplicate of the first one's descriptor, which is the same queue.  A QEMU that starts sets the
 * settings of its taps to defaults (net_tap_fd_init() of net/tap.c), and they belong to the
 * interface: while the guest of the other runs on, they must be what its driver has asked for, else
 * each frame is off by two bytes. So they are looked at before, and set again.  The offloads of a
 * macvtap are not told by the kernel, and stay off until a guest's driver, or a QEMU that has
 * loaded its state, sets them: the kernel then cuts and sums up each frame before the guest gets
 * it, which is slower and not wrong.
 *
 * Thread: any; only the kernel's memory is read, and nothing waits.
 * Source: pidfd_getfd(2); tun_chr_show_fdinfo() and set_offload() of drivers/net/tun.c of Linux;
 * tap_open(), tap_handle_frame() and set_offload() of drivers/net/tap.c.
 */
#ifndef MIGRD_NET_TAP_SHARE_H
#define MIGRD_NET_TAP_SHARE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* What a QEMU sets in its tap as its guest's driver asks for it. */
struct net_tap_settings {
	uint64_t header_bytes; /* before each frame: TUNSETVNETHDRSZ */
	uint64_t offloads;     /* TUN_F_... of linux/if_tun.h; of a macvtap none */
};

/* RET_FD: a duplicate of the descriptor by which process PID has the tap or macvtap IFNAME, closed
 * by exec; the caller's.  CONFLICT: it has none; FORBIDDEN: this process may not take it, which
 * needs the right to trace PID. */
bool net_tap_take(pid_t pid, const char *ifname, int *ret_fd, struct err *err);
/* FD: of IFNAME.  INTERNAL. */
bool net_tap_settings_get(int fd, const char *ifname, bool is_macvtap, struct net_tap_settings *ret,
			  struct err *err);
bool net_tap_settings_set(int fd, const struct net_tap_settings *settings, struct err *err);

#endif
