/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net/frames.h -- when a guest sends frames, seen at the host's end of its NIC.
 *
 * A packet socket (packet(7)) on a tap or macvtap, with a filter of the kernel that lets the
 * guest's frames pass alone, and a ring of the first 62 bytes of each, with the kernel's time of
 * day.  A frame that a guest sends is one that its tap receives, and one that its macvtap sends.
 * The ring costs no system call for each frame; what comes while it is full is not kept.  Other
 * means are worse: the counters of an interface have no times, and so must be read on and on, and
 * do not tell an announcement from a frame of the guest; programs of eBPF, which could count in the
 * kernel, need far more rights.
 *
 * Needs CAP_NET_RAW.
 * Thread: opened and closed on a worker, since the kernel waits for all CPUs then; else any, one at
 * a time. Source: packet(7); Documentation/networking/packet_mmap.rst, tun_get_user() of
 * drivers/net/tun.c, tap_get_user() of drivers/net/tap.c and linux/filter.h of Linux.
 */
#ifndef MIGRD_NET_FRAMES_H
#define MIGRD_NET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NET_FRAMES_ROOM 512 /* frames between two looks */

struct net_frames;

struct net_frame {
	uint64_t at_us;       /* since 1970 */
	bool is_announcement; /* RARP, which QEMU and migrd send for a guest (vm/announce.h) */
	bool is_arp;
	uint32_t ipv4; /* of its sender, in network order, by ARP or IPv4; 0: none */
};

/* NOT_FOUND: there is no interface IFNAME; FORBIDDEN: this process lacks CAP_NET_RAW; INTERNAL. */
struct net_frames *net_frames_open_blocking(const char *ifname, struct err *err);
/* Accepts NULL. */
void net_frames_close_blocking(struct net_frames *frames);
/* Fills LIST, of NET_FRAMES_ROOM, with what has come since the last time, in order; so many are
 * returned.  If LIST is full, more may have come, later than these, and are lost. */
size_t net_frames_take(struct net_frames *frames, struct net_frame *list);
/* CONFLICT: the interface is down or gone, and has told nothing since. */
bool net_frames_check(struct net_frames *frames, struct err *err);

/* Asks the guest behind a tap for an answer: one ARP probe (RFC 5227: the sender's address is
 * 0.0.0.0, so nobody notes anything of it) for its address IPV4, which goes to the guest and
 * nowhere else. The answer goes to the address of the tap itself.  Waits for nothing; one that
 * cannot be sent is left out. */
void net_frames_ping(struct net_frames *frames, uint32_t ipv4);
/* A host cannot reach a guest through its macvtap. */
bool net_frames_can_ping(const struct net_frames *frames);

/* What the first LEN bytes of a frame tell; its time is not set.  Pure. */
struct net_frame net_frame_read(const uint8_t *bytes, size_t len);

#endif
