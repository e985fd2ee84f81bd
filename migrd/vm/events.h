/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/events.h -- what we do for each event of a VM's QEMU.
 *
 * The guest's actions (definition member `actions') are QEMU's to carry out; we
 * say what has happened: in the VM's state and reason, in the log, and on the
 * stream of events.  All this only translates.  What has to ask QEMU or to wait
 * finds the VM again by its uuid, and copes with its absence.
 *
 * A guest can cause events at will: each VM may tell EVENTS_BURST at once and
 * EVENTS_PER_S in the long run; the next one that is told says how many were left
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
	uint64_t counted_ms; /* until when TOKENS is right */
	double tokens;
	unsigned left_out;     /* since one was last told */
	const char *state;     /* as last shown; NULL: none */
	bool has_reason;       /* the reason is that of an event */
	const char *end;       /* why its QEMU is about to end; NULL: not known */
	bool is_end_of_intent; /* the guest, or who reset it, meant it to end */
};

void vm_events_init(struct vm *vm);
void vm_events_take(struct vm *vm, const struct qmp_event *event);
/* Its QEMU is new, or goes on: what earlier events said is over. */
void vm_events_forget(struct vm *vm);
/* Its QEMU is found, and events were not heard: its reason is that of now. */
void vm_events_found(struct vm *vm);
/* Its events were lost (a restart, a move): says why it stands still. */
void vm_events_explain(struct vm *vm);

#endif
