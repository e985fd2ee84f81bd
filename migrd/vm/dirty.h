/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/dirty.h -- how much memory a running guest changes: sampled by its QEMU, kept in memory.
 *
 * QEMU's `calc-dirty-rate' in mode page-sampling, which works with KVM and TCG on 7.2, 10.0 and
 * 11.1.  (Mode dirty-bitmap measures 0 under TCG on 10.0 and 11.1, dirty-ring is refused there, and
 * ends a QEMU 7.2.)  It compares the content of some pages before and after a time, and divides
 * what has changed by that time: so it tells a set, and not a rate
 * (findings/page-sampling-tells-a-set-not-a-rate.sh).  Two times, one after the other, tell both:
 * 0.1 and 1 s, or 1 and 2 s of a QEMU that knows whole seconds only (before 8.2).  Pages that are
 * written with the content that they had are not seen, and blocks of memory below 128 MiB are not
 * looked at (MIN_RAMBLOCK_SIZE of migration/dirtyrate.h).
 *
 * The sync slot of the VM is held for each question only, so nobody waits for the sample.
 * Thread: loop.
 */
#ifndef MIGRD_VM_DIRTY_H
#define MIGRD_VM_DIRTY_H

#include "vm/vm.h"

/* Guests without a block of memory of this size cannot be sampled. */
#define VM_DIRTY_MEMORY_MIN_MIB 128

struct vm_dirty {
	bool is_known;
	uint64_t at_ms; /* on the loop's clock */
	double short_s, long_s;
	double short_bytes, long_bytes; /* changed in that time */
	uint64_t resident_bytes; /* of its memory, found at the same time; 0: not looked at */
};

/* The last sample of VM's present QEMU; false: none. */
bool vm_dirty_last(const struct vm *vm, struct vm_dirty *ret);
/* Called once, on the loop, never from inside: the sample is there, or ERR says why not.  BUSY: a
 * job has the VM, or a sample is being taken; TIMEOUT, CONFLICT, NOT_FOUND as vm_enter(). */
typedef void vm_dirty_fn(void *data, const struct err *err);
void vm_dirty_sample(struct vm *vm, vm_dirty_fn *fn, void *data);

/* Kept with the last sample, if there is one. */
void vm_dirty_note_resident(struct vm *vm, uint64_t bytes);

/* Hooks of vm/parts.c. */
void vm_dirty_gone(struct vm *vm);
void vm_dirty_let_go(struct vm *vm, const struct err *why);
void vm_dirty_fini(struct vm *vm);

#endif
