/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the definition follow what QEMU has. */
#include "base/log.h"
#include "base/mem.h"
#include "cmdline/cdrom_seen.h"
#include "cmdline/device_seen.h"
#include "cmdline/plug.h"
#include "vm/devices_priv.h"

/* Deadline for getting the sync slot: longer than any one command of its present
 * holder. */
#define LOOK_WAIT_MS 600000
/* Least time between looks that a guest causes: a look is several questions and perhaps
 * a commit, and a guest can move a tray in microseconds. */
#define LOOK_PAUSE_MS 1000

/* A backend to be removed, whose device is gone. */
struct leftover {
	struct leftover *next;
	struct plug plug;
};

struct look {
	struct vm_entry *entry;
	struct vm_def *def; /* the definition after this look */
	bool has_changed;
	struct seen seen;
	unsigned query; /* the next to ask */
	struct leftover *leftovers;
	vm_done_fn *done;
	void *data;
};

static void finish(struct look *look, const struct err *err)
{
	struct vm *vm = vm_entry_vm(look->entry);

	if (vm)
		vm_detaches_answer(vm, look->def);
	seen_fini(&look->seen);
	free(look->def);
	look->done(look->data, err);
	free(look);
}

/* ---- 3. what follows from it ---------------------------------------------- */

static void on_saved(void *data, const struct err *err)
{
	struct look *look = data;
	struct vm *vm = vm_entry_vm(look->entry);

	if (vm && err)
		vm_owe_record(vm); /* QEMU has it so */
	if (vm)
		vm_changed(vm);
	finish(look, err);
}

static void save(struct look *look)
{
	struct vm *vm = vm_entry_vm(look->entry);

	if (!vm || !look->has_changed) {
		finish(look, NULL);
		return;
	}
	vm_set_definition(vm, look->def);
	vm_rx_follow(vm);
	vm_save(vm, on_saved, look);
}

static void undo_next(struct look *look);

/* "Not found", in either of QEMU's wordings, is as good as success. */
static void on_undone(void *data, struct json_object *result, const struct err *err)
{
	struct look *look = data;
	struct leftover *leftover = look->leftovers;

	(void)result;
	if (err && !strstr(err->msg, "not found") && !strstr(err->msg, "Failed to find"))
		log_warning("vm", "backend-stays", "backend=%s error=%s", leftover->plug.backend_id,
			    err->msg);
	look->leftovers = leftover->next;
	plug_fini(&leftover->plug);
	free(leftover);
	undo_next(look);
}

static void undo_next(struct look *look)
{
	const struct plug *plug;

	if (!look->leftovers) {
		save(look);
		return;
	}
	plug = &look->leftovers->plug;
	vm_entry_command(look->entry, plug->backend->del, plug_backend_del_args(plug),
			 DEVICE_COMMAND_MS, on_undone, look);
}

static void remember_backend(struct look *look, struct vm_def_device dev)
{
	struct leftover *leftover = xnew(struct leftover);

	plug_init(&leftover->plug, look->def, dev);
	if (!leftover->plug.backend) {
		plug_fini(&leftover->plug);
		free(leftover);
		return;
	}
	leftover->next = look->leftovers;
	look->leftovers = leftover;
}

static void drop(struct look *look, struct vm *vm, struct vm_def_device dev)
{
	log_info("vm", "device-gone", "vm=%s device=%s", vm->row.name,
		 vm_def_device_id(look->def, dev));
	remember_backend(look, dev);
	if (dev.kind == VM_DEF_KIND_NIC)
		vm_rx_forget(vm, vm_def_device_id(look->def, dev));
	vm_def_remove_device(look->def, dev);
	look->has_changed = true;
}

/* Notes the block nodes of media that are in no drive, to be removed: they are left of
 * a change of medium that did not finish. */
static void remember_medium(struct look *look, const struct vm_def_cdrom *cdrom,
			    const struct cdrom_seen *drive)
{
	char node[VM_DEF_ID_SIZE + 8];

	for (unsigned i = 0; i < PLUG_MEDIUM_NODES; i++) {
		struct leftover *leftover;

		plug_medium_node(node, sizeof(node), cdrom->id, i);
		if (drive->node && strcmp(drive->node, node) == 0)
			continue;
		leftover = xnew(struct leftover);
		plug_init_medium(&leftover->plug, node);
		leftover->next = look->leftovers;
		look->leftovers = leftover;
	}
}

/* Takes over media and trays of the CD drives, which QEMU and the guest change. */
static void compare_media(struct look *look, const struct vm *vm)
{
	struct json_object *blocks = seen_media(&look->seen);

	for (size_t i = 0; blocks && i < look->def->cdrom_count; i++) {
		struct vm_def_cdrom *cdrom = &look->def->cdroms[i];
		struct cdrom_seen drive;
		bool has_changed = false;
		struct err err;

		if (!cdrom_seen_find(blocks, look->def, i, &drive))
			continue;
		if (!cdrom_seen_take(&drive, cdrom, &has_changed, &err))
			log_warning("vm", "medium", "vm=%s error=%s", vm->row.name, err.msg);
		remember_medium(look, cdrom, &drive);
		if (!has_changed)
			continue;
		log_info("vm", "medium", "vm=%s device=%s path=%s tray=%s", vm->row.name, cdrom->id,
			 cdrom->path, vm_def_tray_names[cdrom->tray]);
		look->has_changed = true;
	}
}

/* From the last to the first, since removing a device moves those behind it. */
static void compare(struct look *look, struct vm *vm)
{
	for (unsigned kind = 0; kind < VM_DEF_KIND_COUNT; kind++) {
		struct vm_def_device dev = { (enum vm_def_kind)kind, 0 };

		for (size_t i = vm_def_device_count(look->def, dev.kind); i-- > 0;) {
			dev.index = i;
			if (seen_is_gone(&look->seen, look->def, dev))
				drop(look, vm, dev);
			else
				seen_take_place(&look->seen, look->def, dev);
		}
	}
}

/* The device that was being added is in look->def already.  If QEMU cannot be asked, it
 * stays open whether the device was added, unless there is no QEMU at all. */
static void decide(struct look *look)
{
	struct vm *vm = vm_entry_vm(look->entry);
	bool is_known = seen_is_known(&look->seen);
	struct err err;

	if (!vm || (!is_known && vm->qemu)) {
		if (vm && !vm_copy_definition(vm, look->def, &err))
			log_error("vm", "definition", "vm=%s error=%s", vm->row.name, err.msg);
		finish(look, NULL);
		return;
	}
	if (is_known) {
		compare(look, vm);
		compare_media(look, vm);
	} else if (!vm_copy_definition(vm, look->def, &err)) {
		finish(look, &err);
		return;
	}
	look->has_changed |= vm->row.attaching != NULL;
	vm_set_attaching(vm, NULL);
	undo_next(look);
}

/* ---- 2. what QEMU has ------------------------------------------------------ */

static void ask_next(struct look *look);

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct look *look = data;

	if (!err)
		look->seen.answers[look->query] = json_object_get(result);
	look->query++;
	ask_next(look);
}

static void ask_next(struct look *look)
{
	while (look->query < SEEN_COUNT && !seen_is_wanted((enum seen_query)look->query, look->def))
		look->query++;
	if (look->query == SEEN_COUNT) {
		decide(look);
		return;
	}
	vm_entry_command(look->entry, seen_command((enum seen_query)look->query),
			 seen_arguments((enum seen_query)look->query), DEVICE_COMMAND_MS, on_answer,
			 look);
}

/* ---- 1. what there should be ------------------------------------------------ */

/* Adds the device of vm->row.attaching to look->def.  If another version wrote a device
 * that this one cannot decode, nobody can tell whether it was added. */
static void add_attaching(struct look *look, struct vm *vm)
{
	CLEANUP(json_putp)
	struct json_object *device = json_read_back(vm->row.attaching);
	struct vm_def *with;
	struct vm_def_device dev;
	struct faults *faults;

	if (!vm->row.attaching)
		return;
	with = xnew(struct vm_def);
	faults = faults_new();
	if (vm_def_add_device(look->def, device, with, &dev, faults)) {
		memcpy(look->def, with, sizeof(*with));
	} else {
		log_error("vm", "attaching", "vm=%s device=%s", vm->row.name, vm->row.attaching);
	}
	faults_free(faults);
	free(with);
}

void devices_look(struct vm_entry *entry, vm_done_fn *done, void *data)
{
	struct look *look = xnew(struct look);
	struct vm *vm = vm_entry_vm(entry);
	struct err err;

	look->entry = entry;
	look->done = done;
	look->data = data;
	look->def = xnew(struct vm_def);
	if (vm && vm_copy_definition(vm, look->def, &err)) {
		add_attaching(look, vm);
	} else if (vm) {
		log_error("vm", "definition", "vm=%s error=%s", vm->row.name, err.msg);
		memset(look->def, 0, sizeof(*look->def));
	}
	ask_next(look);
}

/* ---- whenever it may be needed ---------------------------------------------- */

struct looker {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	struct vm_entry *entry;
};

static void on_looked(void *data, const struct err *err)
{
	struct looker *looker = data;
	const struct vm *vm = vm_entry_vm(looker->entry);

	if (err && vm)
		log_error("vm", "devices", "vm=%s error=%s", vm->row.name, err->msg);
	vm_leave(looker->entry);
	free(looker);
}

/* ERR: most often a move holds the VM, and looks when it ends (look_is_owed). */
static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct looker *looker = data;
	struct vm *vm = vm_find_uuid(looker->vms, looker->uuid);

	if (vm) {
		vm->look_waits = false;
		vm->look_is_owed = err != NULL;
	}
	if (err) {
		free(looker);
		return;
	}
	looker->entry = entry;
	devices_look(entry, on_looked, looker);
}

void vm_devices_look(struct vm *vm)
{
	struct looker *looker;

	if (vm->look_waits)
		return;
	vm->look_waits = true;
	looker = xnew(struct looker);
	looker->vms = vm->vms;
	memcpy(looker->uuid, vm->row.uuid, sizeof(looker->uuid));
	vm_enter(vm, VM_SYNC_DEVICE, LOOK_WAIT_MS, on_entered, looker);
}

static void on_pause_end(void *data)
{
	struct vm *vm = data;

	if (!vm->look_is_wanted)
		return;
	vm->look_is_wanted = false;
	vm_devices_look_paced(vm);
}

void vm_devices_look_paced(struct vm *vm)
{
	if (!vm->look_pause)
		vm->look_pause = loop_timer_new(vm->vms->env.qemu.loop, on_pause_end, vm);
	if (loop_timer_is_active(vm->look_pause)) {
		vm->look_is_wanted = true;
		return;
	}
	loop_timer_start(vm->look_pause, LOOK_PAUSE_MS);
	vm_devices_look(vm);
}
