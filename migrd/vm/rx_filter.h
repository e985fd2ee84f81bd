/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/rx_filter.h -- the host's network follows what the guest wants to receive.
 *
 * For NICs of which the definition says so (rx_filter): the guest is trusted to
 * choose its addresses.  QEMU says that something changed, and says it again only
 * after it was asked what (qapi/net.json, NIC_RX_FILTER_CHANGED).  So we ask, in
 * our turn at the monitor, and a worker makes the host's interface follow; not
 * more often than every RX_FILTER_PAUSE_MS, since a guest can change its mind at
 * will.  Asked too when the guest begins to run (after a move, a start, a pause)
 * and when its QEMU was found again: events of the time before are lost.  And when the
 * devices have changed, since a NIC may have joined that had something to say before.
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
	bool is_wanted; /* to be asked, when it may be */
	bool is_busy;   /* asked, or the host is being changed */
	struct loop_timer *timer;
};

void vm_rx_init(struct vm *vm);
void vm_rx_fini(struct vm *vm);
void vm_rx_event(struct vm *vm, const struct qmp_event *event);
void vm_rx_follow(struct vm *vm);
void vm_rx_here(struct vm *vm, enum vm_here how);
/* The NIC ID (NULL: all), which the definition still has, is gone: takes away what the
 * host does for it. */
void vm_rx_forget(struct vm *vm, const char *id);
/* The guest is no longer here: takes away what the host does for it. */
void vm_rx_end(struct vm *vm);

#endif
