/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm/entry.h -- the ways to a VM's monitor.
 *
 * A VM has one sync slot: its holder may send commands to QEMU, and those that wait get
 * it in the order of asking.  Beside it there may be one async job (a move), which says
 * which sync jobs it allows at the moment (struct vm_job; move/states.c).  The job's
 * owner sends commands by vm_job_command(), without waiting for the slot.  Reading our
 * own records (lists, `vm show') needs neither.
 *
 *     vm_enter() -> waits -> entered() -> vm_entry_command()... -> vm_leave()
 *                     \-> entered(ERR)
 *
 * A stop ends QEMU, so it waits for QEMU's answer to nobody for longer than a second: then it goes
 * before all that wait, and the holder finds its VM gone (vm_entry_vm()).
 *
 * Thread: loop.
 */
#ifndef MIGRD_VM_ENTRY_H
#define MIGRD_VM_ENTRY_H

#include "vm/vm.h"

/* Kinds of sync jobs; those that users ask for by name come first. */
enum vm_sync {
	VM_SYNC_START = VM_ACTION_START,
	VM_SYNC_STOP = VM_ACTION_STOP,
	VM_SYNC_PAUSE = VM_ACTION_PAUSE,
	VM_SYNC_RESUME = VM_ACTION_RESUME,
	VM_SYNC_RESET = VM_ACTION_RESET,
	VM_SYNC_SHUTDOWN = VM_ACTION_SHUTDOWN,
	VM_SYNC_DELETE = VM_ACTION_DELETE,
	VM_SYNC_QUERY,    /* asks QEMU and changes nothing; every job allows it */
	VM_SYNC_MODIFY,   /* a passed-through command that changes something */
	VM_SYNC_DEVICE,   /* adds or removes a device; of a stopped VM too */
	VM_SYNC_RENAME,   /* of a stopped VM too */
	VM_SYNC_JOB,      /* begins an async job; of a stopped VM too */
	VM_SYNC_SNAPSHOT, /* changes snapshots of its disks; of a stopped VM too */
	VM_SYNC_COUNT
};
const char *vm_sync_name(enum vm_sync kind);

/* How many entries may wait for one VM; the next one gets LIMIT. */
#define VM_ENTRY_MAX 1000
/* As DEADLINE_MS: the value of the configuration ([qemu] monitor_wait_ms). */
#define VM_ENTRY_USUAL 0

struct vm_entry;

/* Called once, on the loop, never from inside vm_enter(): ENTRY is yours until
 * vm_leave(), or it is NULL and ERR says why:
 *   BUSY      at once when the async job does not allow KIND; at the deadline
 *             otherwise, naming who holds the slot and for how long
 *   CONFLICT  at once when the VM is not active (a KIND that needs QEMU), also
 *             if QEMU ends while the entry waits; START and DELETE: it has a QEMU
 *   LIMIT     at once when too many wait
 *   NOT_FOUND the VM went away */
typedef void vm_entered_fn(void *data, struct vm_entry *entry, const struct err *err);
/* DEADLINE_MS limits the waiting only.  Asserts that DATA is not that of the VM's async
 * job, whose owner has vm_job_command(). */
void vm_enter(struct vm *vm, enum vm_sync kind, uint32_t deadline_ms, vm_entered_fn *entered,
	      void *data);
/* What vm_enter() would say of KIND if its turn were now; for dry runs.  False: and why. */
bool vm_may_enter(const struct vm *vm, enum vm_sync kind, struct err *err);
/* NULL: the VM is gone, or the slot was given to a stop; check it in every callback. */
struct vm *vm_entry_vm(const struct vm_entry *entry);
/* False and why: vm_entry_vm() is NULL. */
bool vm_entry_gone(const struct vm_entry *entry, struct err *err);
/* As qmp_command(); UNAVAILABLE when the VM is no longer active.  The answer
 * comes whether or not the entry was left meanwhile. */
void vm_entry_command(struct vm_entry *entry, const char *name, struct json_object *args,
		      uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
/* Frees ENTRY and gives the slot to the next one. */
void vm_leave(struct vm_entry *entry);

/* ---- who holds the slot: to be shown ---------------------------------- */

struct vm_holder {
	const char *id; /* UUID of this sync job; good until the callback returns */
	enum vm_sync kind;
	const char *command; /* last sent to QEMU; "" if none */
	uint64_t held_ms;
};
/* False: nobody holds the slot. */
bool vm_holder(const struct vm *vm, struct vm_holder *ret);
unsigned vm_waiting(const struct vm *vm); /* how many entries wait for the slot */

/* ---- for the owner of the async job ----------------------------------- */

/* As qmp_command(), also while somebody else holds the sync slot.  Asserts that JOB is
 * the VM's; UNAVAILABLE when the VM is no longer active. */
void vm_job_command(struct vm *vm, const struct vm_job *job, const char *name,
		    struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn, void *data);
/* The same with a descriptor for QEMU, which is taken over: qmp_command_fd(). */
void vm_job_command_fd(struct vm *vm, const struct vm_job *job, const char *name,
		       struct json_object *args, int fd, uint32_t deadline_ms, qmp_reply_fn *fn,
		       void *data);
/* The same out of band, past a command that hangs; UNAVAILABLE without oob. */
void vm_job_command_oob(struct vm *vm, const struct vm_job *job, const char *name,
			struct json_object *args, uint32_t deadline_ms, qmp_reply_fn *fn,
			void *data);
bool vm_job_has_oob(const struct vm *vm, const struct vm_job *job);

#endif
