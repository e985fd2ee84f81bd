/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/announce.h -- tells the network that a guest is here now.
 *
 * QEMU announces a guest that arrived 5 times within a second from when it has loaded it
 * (announce-* of migrate-set-parameters); the frames go out when the guest runs, and a switch or
 * an SDN may come later.  So a guest that runs is announced again: by announce-self, which takes the addresses that the definition gave and makes virtio-net ask the guest to
 * announce itself, and, for NICs whose guest is trusted to choose its addresses, with those
 * that it has (vm/rx_filter.h).  Each round is asked for by itself: a QEMU that was told to
 * repeat would go on after the guest has moved on.
 *
 * Thread: loop.  Source: QEMU qapi/net.json, announce-self; net/queue.c.
 */
#ifndef MIGRD_VM_ANNOUNCE_H
#define MIGRD_VM_ANNOUNCE_H

#include "base/loop.h"
#include "qmp/conn.h"

/* At 0, 0.1, 0.3, 0.7, ... 12.7 s. */
#define ANNOUNCE_ROUNDS   8
#define ANNOUNCE_FIRST_MS 100

struct vm;

/* Part of a struct vm. */
struct vm_announce {
	unsigned rounds_left;
	uint32_t pause_ms; /* after the next round */
	struct loop_timer *timer;
};

/* The guest came by a move.  One that does not run is announced when it does. */
void vm_announce(struct vm *vm);

void vm_announce_init(struct vm *vm);
void vm_announce_event(struct vm *vm, const struct qmp_event *event);
/* Its QEMU has ended: nobody is announced any more. */
void vm_announce_end(struct vm *vm);
void vm_announce_fini(struct vm *vm);

#endif
