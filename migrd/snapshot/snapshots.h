/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot/snapshots.h -- snapshots of a VM's disks, inside of their qcow2 images.
 *
 * What there is, the images tell, and nothing else: QEMU is asked while it has them open, qemu-img
 * otherwise.  No record repeats it, so a snapshot travels with an image that two hosts share, and
 * one that another program has made is shown too.
 *
 *   create   of a running guest: one transaction of QEMU, so all disks get it, or none, and all of
 *            the same moment.  Of a stopped VM: disk by disk, and taken back if one fails; a crash
 *            in between leaves one that is not complete, which can only be deleted.
 *   delete   disk by disk, and may be repeated.
 *   revert   of a stopped VM only: disk by disk.  From before the first until after the last the
 *            record of the VM says so (vm/reverting.h), and by that no start and no job begins: a
 *            revert that was broken off is done again, or to another snapshot.
 *
 * All hold the VM's sync slot (VM_SYNC_SNAPSHOT) but a list.  A caller makes sure before that no
 * other host has a VM that has no QEMU here (start_ask()); the locks of the images are looked at
 * too.
 *
 * Thread: loop.
 */
#ifndef MIGRD_SNAPSHOT_SNAPSHOTS_H
#define MIGRD_SNAPSHOT_SNAPSHOTS_H

#include "vm/vm.h"
#include "wire/snapshot.h"

struct snapshots;

struct snapshots_env {
	struct loop *loop;
	struct vms *vms;
	const char *qemu_img; /* as of struct storage_rules */
};

struct snapshots *snapshots_new(const struct snapshots_env *env);
/* Those who wait are answered. */
void snapshots_clear(struct snapshots *snapshots);
void snapshots_free(struct snapshots *snapshots);

/* Called once, on the loop, never from inside the call: RESULT is borrowed.  Errors: CONFLICT,
 * EXISTS, NOT_FOUND with what to do; LIMIT, too many ask at once; BUSY, TIMEOUT as vm_enter();
 * QEMU's and qemu-img's own. */
typedef void snapshots_fn(void *data, struct json_object *result, const struct err *err);
/* RESULT: an array of snapshots (wire/snapshot.h), the oldest first. */
void snapshots_list(struct snapshots *snapshots, struct vm *vm, snapshots_fn *fn, void *data);
/* RESULT: the snapshot.  IS_DRY of this and those below: only looks whether it would be begun, and
 * gives no result. */
void snapshots_create(struct snapshots *snapshots, struct vm *vm,
		      const struct snapshot_request *request, bool is_dry, snapshots_fn *fn,
		      void *data);
/* No result. */
void snapshots_delete(struct snapshots *snapshots, struct vm *vm, const char *name, bool is_dry,
		      snapshots_fn *fn, void *data);
void snapshots_revert(struct snapshots *snapshots, struct vm *vm, const char *name, bool is_dry,
		      snapshots_fn *fn, void *data);

#endif
