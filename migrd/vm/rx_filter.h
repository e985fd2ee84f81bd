/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/rx_filter.h -- the host's network follows what the guest wants to receive.
 *
 * Only for NICs whose definition says so (rx_filter): there the guest is trusted to
 * choose its addresses.  QEMU reports that something has changed, and reports again
 * only after it was asked what (qapi/net.json, NIC_RX_FILTER_CHANGED).  So we ask, in
 * our turn at the monitor, and a worker changes the host's interface; at most every
 * RX_FILTER_PAUSE_MS, since a guest can change its mind at will.  We also ask when the
 * guest begins to run (after a move, a start, a pause) and when its QEMU was found
 * again, since earlier events are lost; and when the devices have changed, since a new
 * NIC may have reported a change before.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_RX_FILTER_H
#define MIGRD_VM_RX_FILTER_H

#include <stdbool.h>

#include "qmp/conn.h"
#include "vm/parts.h"

#define RX_FILTER_PAUSE_MS 100
#define RX_FILTER_RETRY_MS 1000

struct vm;
struct loop_timer;

/* Part of a struct vm. */
struct vm_rx {
	bool is_wanted; /* QEMU is to be asked as soon as possible */
	bool is_busy;   /* QEMU is being asked, or the host is being changed */
	bool announces; /* and what QEMU says is announced, see vm/announce.h */
	struct loop_timer *timer;
};

void vm_rx_init(struct vm *vm);
void vm_rx_fini(struct vm *vm);
void vm_rx_event(struct vm *vm, const struct qmp_event *event);
void vm_rx_follow(struct vm *vm);
void vm_rx_here(struct vm *vm, enum vm_here how);
/* Follows, then sends a frame from each unicast address of the guest. */
void vm_rx_announce(struct vm *vm);
/* Undoes on the host what was done for the NIC ID (NULL: all), which is gone, but still
 * in the definition. */
void vm_rx_forget(struct vm *vm, const char *id);
/* The guest is no longer here: undoes on the host what was done for its NICs. */
void vm_rx_end(struct vm *vm);

#endif
