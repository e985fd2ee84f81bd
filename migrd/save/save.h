/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* save/save.h -- guests that are saved to files and restored from them: the jobs SAVE and
 * RESTORE.
 *
 *     save     begin    -> transfer, rollback
 *              transfer -> seal, rollback
 *              seal     -> end, done, rollback
 *              end      -> done, rollback
 *              rollback -> cancelled, failed
 *     restore  begin    -> disks, load, rollback
 *              disks    -> load, rollback
 *              load     -> claim, rollback
 *              claim    -> run, rollback
 *              run      -> done
 *              rollback -> cancelled, failed
 *
 * A save: QEMU writes to a file under a temporary name while the guest runs on; when all memory has
 * been written once, the guest is stopped, so that what it has changed since comes to an end.
 * seal: QEMU is done and the guest stands still; the file is synced, completed and gets its name.
 * end: the record of the VM names the save (vm/saved.h), in the transaction that enters this
 * state; only then QEMU is ended.  So the guest may run as long as no record calls the file
 * current, and not after that.
 *
 * A background snapshot (`live'): QEMU stops the guest for some milliseconds, keeps its devices,
 * write-protects its memory and lets it run on; what it is about to change is written first.  It
 * ends in seal.  No record names it, since the VM goes on.  Of a guest with disks the guest is
 * stopped by us, so that copies of them (save/copies.h) and the memory are of one moment; a restore
 * puts these in the place of the images, in the state disks.  Nothing else outside of the file may
 * be there for the guest to change (save/live.c).
 *
 * A restore: QEMU reads the file.  claim: all is there, and the file gets the mark that it was
 * restored.  run: the record of the VM names no save any more, in the transaction that enters this
 * state; only then the guest runs.  A file whose save the record does not name is stale: the
 * guest has run since, and its disks are newer than the memory in the file.
 *
 * While this coordinator is away QEMU writes on, and a guest whose memory is all written stands
 * still until it is back.  A load is given up at a restart.
 *
 * Thread: loop.
 */
#ifndef MIGRD_SAVE_SAVE_H
#define MIGRD_SAVE_SAVE_H

#include "vm/vm.h"
#include "wire/save_reply.h"
#include "wire/save_request.h"

struct saves;
struct save;

struct saves_env {
	struct loop *loop;
	struct store *store;
	struct vms *vms;
	const char *host_id;
	const char *qemu_img; /* as of struct storage_rules */
	const char *dirs; /* "DIR:DIR": files may be below these; NULL: nowhere */
	void (*changed)(void *data, const struct save *save);
	void *data;
};

struct saves *saves_new(const struct saves_env *env);
/* Lets go of every VM; the jobs go on when the daemon is back. */
void saves_clear(struct saves *saves);
void saves_free(struct saves *saves);
/* Takes over a row of the store. */
void saves_add_row(struct saves *saves, struct store_save *row);
/* When the VMs were found again, and before vms_settle(). */
void saves_recover(struct saves *saves);

/* Called once, on the loop, never from inside the call: SAVE was recorded; or it is NULL, and ERR
 * names everything that forbids it. */
typedef void save_started_fn(void *data, const struct save *save, const struct err *err);
/* Looks whether files of saved guests can be made in the directory DIR.  ERR NULL: they can, and
 * ROOM_BYTES are free there.  Called once, on the loop, never from inside the call; also when SAVES
 * is freed. */
typedef void saves_dir_fn(void *data, uint64_t room_bytes, const struct err *err);
void saves_look_at_dir(struct saves *saves, const char *dir, saves_dir_fn *looked, void *data);
/* Saves the guest of VM. */
void saves_save(struct saves *saves, struct vm *vm, const struct save_request *wish,
		save_started_fn *started, void *data);
/* Looks as saves_save() does, and saves nothing. */
void saves_try_save(struct saves *saves, struct vm *vm, const struct save_request *wish,
		    vm_done_fn *tried, void *data);
/* Looks at the file; UUID is that of its VM, which is here, and may be started from it. */
typedef void save_looked_fn(void *data, const char *uuid, const struct err *err);
void saves_look(struct saves *saves, const struct restore_request *wish, save_looked_fn *looked,
		void *data);
/* Restores the guest of VM from a file that saves_look() has looked at. */
void saves_restore(struct saves *saves, struct vm *vm, const struct restore_request *wish,
		   save_started_fn *started, void *data);
/* TOO_LATE: the file is complete already, or the guest may run already. */
bool save_cancel(struct save *save, struct err *err);

struct save *saves_find(struct saves *saves, const char *id);
/* The newest first. */
struct save *saves_first(struct saves *saves);
struct save *save_next(const struct save *save);
bool save_is_final(const struct save *save);
/* Its state machine, to be looked at only. */
const struct machine *save_machine(const struct save *save);
/* Borrowed until SAVE changes. */
struct save_reply save_show(const struct save *save);

#endif
