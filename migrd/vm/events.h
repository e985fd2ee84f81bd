/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/events.h -- what we do for each event of a VM's QEMU.
 *
 * QEMU itself carries out the guest's actions (definition member `actions'); we say
 * what has happened: in the VM's state and reason, in the log, and on the stream of
 * events.  Events are only translated here.  Code that has to ask QEMU or to wait finds
 * the VM again by its uuid, and copes with its absence.
 *
 * A guest can cause events at will, so of each VM at most EVENTS_BURST are told at once
 * and EVENTS_PER_S in the long run; the next one that is told says how many were left
 * out.  Every event still has its effect.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_EVENTS_H
#define MIGRD_VM_EVENTS_H

#include <stdint.h>

#include "qmp/conn.h"

#define EVENTS_BURST 100
#define EVENTS_PER_S 20

struct vm;

/* Part of a struct vm. */
struct vm_events {
	uint64_t counted_ms; /* when `tokens' was last computed */
	double tokens;
	unsigned left_out;     /* events since the last one that was told */
	const char *state;     /* as last shown; NULL: none */
	bool has_reason;       /* the reason is that of an event */
	const char *end;       /* why its QEMU is about to end; NULL: not known */
	bool is_end_of_intent; /* the guest, or whoever reset it, meant it to end */
};

void vm_events_init(struct vm *vm);
void vm_events_take(struct vm *vm, const struct qmp_event *event);
/* QEMU is new, or the guest goes on: forgets what earlier events said. */
void vm_events_forget(struct vm *vm);
/* QEMU is found again, and events were missed: sets the reason by its present state. */
void vm_events_found(struct vm *vm);

#endif
