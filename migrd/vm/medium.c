/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/medium.h"

#include "base/log.h"
#include "base/mem.h"
#include "cmdline/cdrom_seen.h"
#include "cmdline/plug.h"
#include "vm/devices_priv.h"
#include "wire/vm_def_cdrom.h"

struct vm_medium {
	struct vm_entry *entry; /* NULL: it still waits */
	char id[VM_DEF_ID_SIZE];
	struct medium_request request;
	struct vm_def *def;
	size_t index;                  /* of the drive */
	char qdev[256];                /* its name in commands */
	char node[VM_DEF_ID_SIZE + 8]; /* of the new medium */
	struct loop_timer *timer;      /* NULL: it does not wait for the guest */
	uint64_t until_ms;             /* loop clock: end of all waits together; 0: none yet */
	struct err err;                /* the first that went wrong */
	vm_done_fn *done;
	void *data;
};

/* ---- the end --------------------------------------------------------------- */

static void finish(struct vm_medium *medium)
{
	struct vm *vm = medium->entry ? vm_entry_vm(medium->entry) : NULL;

	log_info("vm", "change-medium", "vm=%s device=%s path=%s result=%s",
		 vm ? vm->row.name : "-", medium->id, medium->request.path,
		 err_is_set(&medium->err) ? medium->err.msg : "done");
	if (medium->entry)
		vm_leave(medium->entry);
	medium->done(medium->data, err_is_set(&medium->err) ? &medium->err : NULL);
	free(medium->def);
	free(medium);
}

static void fail(struct vm_medium *medium, const struct err *err)
{
	if (!err_is_set(&medium->err))
		medium->err = *err;
}

/* The record is on disk, or could not be written. */
static void on_recorded(void *data, const struct err *err)
{
	if (err)
		fail(data, err);
	finish(data);
}

static void on_defined(void *data, const struct err *err)
{
	struct vm_medium *medium = data;
	const struct vm *vm = vm_entry_vm(medium->entry);

	if (vm)
		vm_changed(vm);
	on_recorded(medium, err);
}

/* Asks QEMU what is in the drive now, whatever came of the change, and records that. */
static void look(struct vm_medium *medium)
{
	devices_look(medium->entry, on_recorded, medium);
}

static void give_up(struct vm_medium *medium, const struct err *err)
{
	fail(medium, err);
	look(medium);
}

/* ---- commands ---------------------------------------------------------------- */

static void command(struct vm_medium *medium, const char *name, struct json_object *args,
		    qmp_reply_fn *fn)
{
	vm_entry_command(medium->entry, name, args, DEVICE_COMMAND_MS, fn, medium);
}

/* Sends a command that names the drive. */
static void drive_command(struct vm_medium *medium, const char *name, const char *key,
			  const char *value, qmp_reply_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", medium->qdev);
	if (key)
		json_add_str(args, key, value);
	command(medium, name, args, fn);
}

/* ---- 4. the new one goes in ---------------------------------------------------- */

static void on_closed(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		fail(data, err);
	look(data);
}

static void close_tray(struct vm_medium *medium)
{
	drive_command(medium, "blockdev-close-tray", NULL, NULL, on_closed);
}

static void on_inserted(void *data, struct json_object *result, const struct err *err)
{
	struct vm_medium *medium = data;
	struct err empty;

	(void)result;
	if (!err) {
		close_tray(medium);
		return;
	}
	empty = *err;
	err_wrap(&empty, "the drive is empty now, and its tray open");
	give_up(medium, &empty);
}

/* ---- 3. the former one comes out ------------------------------------------------- */

static void on_removed(void *data, struct json_object *result, const struct err *err)
{
	struct vm_medium *medium = data;

	(void)result;
	if (err)
		give_up(medium, err);
	else if (*medium->request.path)
		drive_command(medium, "blockdev-insert-medium", "node-name", medium->node,
			      on_inserted);
	else
		look(medium);
}

/* ---- 2. the tray opens ------------------------------------------------------------ */

static void on_deadline(void *data)
{
	struct vm_medium *medium = data;
	struct vm *vm = vm_entry_vm(medium->entry);
	struct err err;

	loop_timer_free(TAKE_PTR(medium->timer));
	if (vm)
		vm->medium = NULL;
	err_set(&err, ERR_TIMEOUT,
		"the guest has locked the tray of '%s', and was asked to open it, which it did not "
		"within %.1f s: unmount the medium there, or use force; nothing has changed",
		medium->id, (double)medium->request.timeout_ms / 1000);
	give_up(medium, &err);
}

/* Waits for vm_medium_tray_moved() or the deadline. */
static void wait_for_guest(struct vm_medium *medium, struct vm *vm)
{
	struct loop *loop = vm->vms->env.qemu.loop;
	uint64_t now_ms = loop_now_ms(loop);

	if (!medium->until_ms)
		medium->until_ms = now_ms + medium->request.timeout_ms;
	vm->medium = medium;
	medium->timer = loop_timer_new(loop, on_deadline, medium);
	loop_timer_start(medium->timer,
			 medium->until_ms > now_ms ? (uint32_t)(medium->until_ms - now_ms) : 0);
}

static void on_tray_seen(void *data, struct json_object *result, const struct err *err)
{
	struct vm_medium *medium = data;
	struct vm *vm = vm_entry_vm(medium->entry);
	struct cdrom_seen seen;
	struct err missing;

	err_set(&missing, ERR_QEMU, "QEMU has no CD drive '%s' any more", medium->id);
	if (err || !vm || !cdrom_seen_find(result, medium->def, medium->index, &seen))
		give_up(medium, err ? err : &missing);
	else if (seen.is_open)
		drive_command(medium, "blockdev-remove-medium", NULL, NULL, on_removed);
	else
		wait_for_guest(medium, vm);
}

static void look_at_tray(struct vm_medium *medium)
{
	command(medium, "query-block", NULL, on_tray_seen);
}

/* QEMU accepts the command for a locked tray too: then it has asked the guest to open the
 * tray (block/qapi-sysemu.c, do_open_tray()). */
static void on_opened(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		give_up(data, err);
	else
		look_at_tray(data);
}

static void open_tray(struct vm_medium *medium)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", medium->qdev);
	json_add_bool(args, "force", medium->request.force);
	command(medium, "blockdev-open-tray", args, on_opened);
}

/* ---- 1. what is in there, and the new medium is opened --------------------------------- */

static void on_added(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		give_up(data, err);
	else
		open_tray(data);
}

/* The node is there only if a former change was broken off, so an error is ignored: mostly
 * there is none. */
static void on_former_deleted(void *data, struct json_object *result, const struct err *err)
{
	struct vm_medium *medium = data;

	(void)result;
	(void)err;
	command(medium, "blockdev-add",
		plug_medium(medium->node, medium->request.path, medium->request.format), on_added);
}

static void add_node(struct vm_medium *medium, const struct cdrom_seen *seen)
{
	struct json_object *args = json_object_new_object();

	plug_medium_node(medium->node, sizeof(medium->node), medium->id, 0);
	if (seen->node && strcmp(seen->node, medium->node) == 0)
		plug_medium_node(medium->node, sizeof(medium->node), medium->id, 1);
	json_add_str(args, "node-name", medium->node);
	command(medium, "blockdev-del", args, on_former_deleted);
}

static void begin(struct vm_medium *medium, const struct cdrom_seen *seen)
{
	const struct medium_request *request = &medium->request;
	bool has_it = cdrom_seen_has(seen, request->path, request->format);

	snprintf(medium->qdev, sizeof(medium->qdev), "%s", seen->qdev);
	if (has_it && seen->node && seen->is_open)
		close_tray(medium);
	else if (has_it)
		look(medium);
	else if (*request->path)
		add_node(medium, seen);
	else
		open_tray(medium);
}

static void on_seen(void *data, struct json_object *result, const struct err *err)
{
	struct vm_medium *medium = data;
	struct cdrom_seen seen;
	struct err missing;

	err_set(&missing, ERR_QEMU, "QEMU has no CD drive '%s'", medium->id);
	if (err || !cdrom_seen_find(result, medium->def, medium->index, &seen))
		give_up(medium, err ? err : &missing);
	else
		begin(medium, &seen);
}

/* ---- the request -------------------------------------------------------------------- */

/* Puts the medium into the definition, which must still be valid then. */
static bool check(struct vm_medium *medium, struct err *err)
{
	struct vm_def_cdrom *cdrom = &medium->def->cdroms[medium->index];
	struct faults *faults = faults_new();
	bool ok;

	snprintf(cdrom->path, sizeof(cdrom->path), "%s", medium->request.path);
	cdrom->format = medium->request.format;
	vm_def_check_cdrom(medium->def, medium->index, faults);
	ok = faults->count == 0;
	if (!ok)
		err_set(err, ERR_INVALID, "'%.300s': %s", cdrom->path, faults->list[0].detail);
	faults_free(faults);
	return ok;
}

static bool find_drive(struct vm_medium *medium, struct vm *vm, struct err *err)
{
	struct vm_def_device dev;

	if (!vm_copy_definition(vm, medium->def, err))
		return false;
	if (!vm_def_find_device(medium->def, medium->id, &dev))
		return err_set(err, ERR_NOT_FOUND, "VM '%s' has no device '%s'", vm->row.name,
			       *medium->id ? medium->id : "(a longer id than any has)");
	if (dev.kind != VM_DEF_KIND_CDROM)
		return err_set(err, ERR_CONFLICT, "device '%s' is no CD drive", medium->id);
	if (vm->qemu && !vm_is_active(vm))
		return err_set(err, ERR_CONFLICT, "cannot change the devices of VM '%s': it is %s",
			       vm->row.name, vm_state(vm));
	medium->index = dev.index;
	return check(medium, err);
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct vm_medium *medium = data;
	struct vm *vm;
	struct err wrong;

	medium->entry = entry;
	if (err) {
		fail(medium, err);
		finish(medium);
		return;
	}
	vm = vm_entry_vm(entry);
	if (!find_drive(medium, vm, &wrong)) {
		fail(medium, &wrong);
		finish(medium);
	} else if (vm->qemu) {
		command(medium, "query-block", NULL, on_seen);
	} else {
		vm_define(vm, medium->def, on_defined, medium);
	}
}

void vm_change_medium(struct vm *vm, const char *id, const struct medium_request *request,
		      vm_done_fn *done, void *data)
{
	struct vm_medium *medium = xnew(struct vm_medium);

	if (strlen(id) < sizeof(medium->id)) /* no device has a longer id */
		snprintf(medium->id, sizeof(medium->id), "%s", id);
	medium->request = *request;
	medium->def = xnew(struct vm_def);
	medium->done = done;
	medium->data = data;
	vm_enter(vm, VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, medium);
}

/* ---- told by the VM -------------------------------------------------------------------- */

void vm_medium_tray_moved(struct vm *vm)
{
	struct vm_medium *medium = TAKE_PTR(vm->medium);

	if (!medium)
		return;
	loop_timer_free(TAKE_PTR(medium->timer));
	look_at_tray(medium);
}

void vm_medium_end(struct vm *vm, const struct err *err)
{
	struct vm_medium *medium = TAKE_PTR(vm->medium);

	if (!medium)
		return;
	loop_timer_free(TAKE_PTR(medium->timer));
	fail(medium, err);
	finish(medium);
}
