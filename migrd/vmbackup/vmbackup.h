/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmbackup/vmbackup.h -- backups of guests' disks while the guests run: the jobs BACKUP.
 *
 *     begin    -> copy, rollback
 *     copy     -> close, rollback
 *     close    -> seal, rollback
 *     seal     -> tidy, rollback
 *     tidy     -> done
 *     rollback -> cancelled, failed
 *
 * begin: QEMU is asked for the disks, a worker makes an empty image for each in a hidden directory
 * `.ID.migrd-backup' of the target.  copy: one `transaction' of QEMU begins a backup job for each
 * disk, and a bitmap that notes what changes from that moment on, so that all disks have the
 * content of one moment; the guest's agent has frozen its file systems before, if it can.  QEMU
 * copies while the guest runs: what the guest is about to change is copied first.  close: all jobs
 * have ended well, which is on disk; QEMU lets go of the images.  seal: the images are synced, the
 * description `manifest.json' is written, and the directory gets its name, the ID: a backup is
 * whole or not there.  A target that does not answer for long keeps the VM no more.  tidy:
 * bitmaps of earlier backups that no next one needs are removed, if no other job has the VM
 * meanwhile.
 *
 * An incremental backup copies what has changed since another one, its parent, in the same
 * directory; its image has that of the parent as backing file.  What has changed is known by a
 * bitmap that is named by the parent's id and the disk, and is kept in the image of the disk
 * (qcow2).  A bitmap is only taken that QEMU says to be consistent and to record, and that the
 * parent's description names with the same VM and size.  It stays until the next backup is
 * complete, so that a backup that fails costs nothing.  Bitmaps in shared images travel with the
 * guest; an image that was copied, restored or replaced has none, and then all of it is copied,
 * which the answer says.
 *
 * While this coordinator is away QEMU copies on.
 *
 * Thread: loop.
 */
#ifndef MIGRD_VMBACKUP_VMBACKUP_H
#define MIGRD_VMBACKUP_VMBACKUP_H

#include "vm/vm.h"
#include "wire/vmbackup_reply.h"
#include "wire/vmbackup_request.h"

struct vmbackups;
struct vmbackup;

struct vmbackups_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	const char *host_id;
	const char *qemu_img; /* as of struct storage_rules */
	const char *dirs;     /* "DIR:DIR": backups may be below these; NULL: nowhere */
	void (*changed)(void *data, const struct vmbackup *backup);
	void *data;
};

struct vmbackups *vmbackups_new(const struct vmbackups_env *env);
/* Lets go of every VM; the jobs go on when the daemon is back. */
void vmbackups_clear(struct vmbackups *backups);
void vmbackups_free(struct vmbackups *backups);
/* Takes over a row of the store. */
void vmbackups_add_row(struct vmbackups *backups, struct store_vmbackup *row);
/* When the VMs were found again, and before vms_settle(). */
void vmbackups_recover(struct vmbackups *backups);

/* Called once, on the loop, never from inside the call: BACKUP was recorded; or it is NULL, and
 * ERR says what forbids it. */
typedef void vmbackup_started_fn(void *data, const struct vmbackup *backup, const struct err *err);
/* CONFLICT: VM does not run, the directory cannot be used; NOT_FOUND: it has no such disk; BUSY. */
void vmbackups_begin(struct vmbackups *backups, struct vm *vm, const struct vmbackup_request *wish,
		     vmbackup_started_fn *started, void *data);
/* Looks as vmbackups_begin() does, and begins nothing. */
void vmbackups_try(struct vmbackups *backups, const struct vm *vm,
		   const struct vmbackup_request *wish, vm_done_fn *tried, void *data);
/* TOO_LATE: the backup is complete. */
bool vmbackup_cancel(struct vmbackup *backup, struct err *err);

struct vmbackup *vmbackups_find(struct vmbackups *backups, const char *id);
/* The newest first. */
struct vmbackup *vmbackups_first(struct vmbackups *backups);
struct vmbackup *vmbackup_next(const struct vmbackup *backup);
bool vmbackup_is_final(const struct vmbackup *backup);
/* Its state machine, to be looked at only. */
const struct machine *vmbackup_machine(const struct vmbackup *backup);
/* Borrowed until BACKUP changes. */
struct vmbackup_reply vmbackup_show(const struct vmbackup *backup);

#endif
