/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removes a device from a VM: the guest is asked to let go of it, and may take long. */
#include "base/log.h"
#include "base/mem.h"
#include "vm/devices_priv.h"
#include "wire/vm_def_device.h"

struct vm_detach {
	struct vm_detach *next; /* the next that waits for the guest */
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	char id[VM_DEF_ID_SIZE];
	uint32_t timeout_ms;
	struct vm_entry *entry;   /* NULL: not entered yet, or left already */
	struct loop_timer *timer; /* NULL: it does not wait for the guest */
	bool is_asked;            /* device_del was answered */
	bool is_over;             /* done() was called; freed when device_del is answered */
	vm_done_fn *done;
	void *data;
};

/* ---- the end --------------------------------------------------------------- */

static void unlink_waiting(struct vm_detach *detach)
{
	struct vm *vm = vm_find_uuid(detach->vms, detach->uuid);
	struct vm_detach **link = vm ? &vm->detaches : NULL;

	while (link && *link && *link != detach)
		link = &(*link)->next;
	if (link && *link)
		*link = detach->next;
}

static void tell(struct vm_detach *detach, const struct err *err)
{
	struct err copy;

	if (detach->is_over)
		return;
	if (err)
		copy = *err;
	detach->is_over = true;
	unlink_waiting(detach);
	loop_timer_free(TAKE_PTR(detach->timer));
	log_info("vm", "detach", "vm_uuid=%s device=%s result=%s", detach->uuid, detach->id,
		 err ? copy.msg : "done");
	detach->done(detach->data, err ? &copy : NULL);
}

static void end(struct vm_detach *detach, const struct err *err)
{
	if (detach->entry)
		vm_leave(TAKE_PTR(detach->entry));
	tell(detach, err);
	free(detach);
}

/* Answers DETACH and frees it; if device_del is not answered yet, on_asked() frees it. */
static void tell_waiting(struct vm_detach *detach, const struct err *err)
{
	tell(detach, err);
	if (detach->is_asked)
		free(detach);
}

void vm_detaches_answer(struct vm *vm, const struct vm_def *def)
{
	struct vm_def_device dev;

	for (struct vm_detach *detach = vm->detaches, *next; detach; detach = next) {
		next = detach->next;
		if (!vm_def_find_device(def, detach->id, &dev))
			tell_waiting(detach, NULL);
	}
}

void vm_detaches_end(struct vm *vm, const struct err *err)
{
	while (vm->detaches) {
		struct vm_detach *detach = vm->detaches;

		vm->detaches = detach->next;
		tell_waiting(detach, err);
	}
}

static void on_deadline(void *data)
{
	struct vm_detach *detach = data;
	struct vm *vm = vm_find_uuid(detach->vms, detach->uuid);
	struct err err;

	if (vm)
		vm_devices_look(vm); /* the event may have been lost with a monitor */
	err_set(&err, ERR_TIMEOUT,
		"the guest has not let go of device '%s' within %.1f s: it ignores the request, or "
		"uses the device; the request stays with it, and the definition follows when the "
		"device goes",
		detach->id, (double)detach->timeout_ms / 1000);
	tell_waiting(detach, &err);
}

/* ---- what QEMU tells -------------------------------------------------------- */

static void refused_by_guest(struct vm *vm, const char *id, const char *why)
{
	struct err err;

	err_set(&err, ERR_QEMU, "the guest refuses to let go of device '%s'%s%s", id,
		why ? ": " : "", why ? why : "");
	for (struct vm_detach *detach = vm->detaches, *next; detach; detach = next) {
		next = detach->next;
		if (strcmp(detach->id, id) == 0)
			tell_waiting(detach, &err);
	}
}

/* The event may name a part of a device only: for a CPU under TCG, QEMU 7.2 and 10.0
 * tell only that its interrupt controller is gone.  So QEMU is asked what it still has. */
static void on_deleted(struct vm *vm, struct json_object *data)
{
	(void)data;
	vm_devices_look(vm);
}

static void on_refused(struct vm *vm, struct json_object *data)
{
	const char *id = json_get_str(data, "device");

	if (id)
		refused_by_guest(vm, id, json_get_str(data, "msg"));
}

/* Status that the guest reports for memory and CPUs: ACPI specification 6.4, tables
 * 6.12 and 6.14 (_OST); 0: done, 0x84: in progress. */
#define OST_EJECT_REQUEST 3
#define OST_DONE          0
#define OST_IN_PROGRESS   0x84

static void on_ost(struct vm *vm, struct json_object *data)
{
	struct json_object *info = json_get_obj(data, "info");
	const char *id = json_get_str(info, "device");
	int64_t status = json_get_int(info, "status", OST_DONE);
	char why[48];

	snprintf(why, sizeof(why), "ACPI status 0x%x", (unsigned)status);
	if (id && json_get_int(info, "source", 0) == OST_EJECT_REQUEST && status != OST_DONE &&
	    status != OST_IN_PROGRESS)
		refused_by_guest(vm, id, why);
}

/* The guest or a command has moved the tray of a CD drive.  A reset closes a tray
 * without this event (hw/scsi/scsi-disk.c, scsi_disk_reset()): on_reset() looks. */
static void on_tray(struct vm *vm, struct json_object *data)
{
	(void)data;
	vm_medium_tray_moved(vm);
	vm_devices_look_paced(vm);
}

static void on_reset(struct vm *vm, struct json_object *data)
{
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	(void)data;
	if (def && def->cdrom_count)
		vm_devices_look_paced(vm);
}

static const struct {
	const char *event;
	void (*handle)(struct vm *vm, struct json_object *data);
} events[] = {
	{ "DEVICE_DELETED", on_deleted },   { "DEVICE_UNPLUG_GUEST_ERROR", on_refused },
	{ "MEM_UNPLUG_ERROR", on_refused }, { "ACPI_DEVICE_OST", on_ost },
	{ "DEVICE_TRAY_MOVED", on_tray },   { "RESET", on_reset },
};

/* Before vms_settle() it is not known which VMs jobs hold; vms_settle() looks for all
 * then. */
void vm_devices_here(struct vm *vm, enum vm_here how)
{
	if (how == VM_HERE_FOUND && !vm->vms->is_settling)
		vm_devices_look(vm);
	else if (how == VM_HERE_ARRIVED)
		vm->look_is_owed = true; /* the guest may have moved a tray on its way */
}

void vm_devices_event(struct vm *vm, const struct qmp_event *event)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (strcmp(events[i].event, event->name) == 0)
			events[i].handle(vm, event->data);
}

void vm_devices_qemu_ended(struct vm *vm)
{
	struct err err;

	err_set(&err, ERR_CONFLICT,
		"the QEMU of VM '%s' has ended before the guest let go of the device, which stays "
		"in the definition",
		vm->row.name);
	vm_detaches_end(vm, &err);
}

void vm_devices_fini(struct vm *vm)
{
	loop_timer_free(vm->look_pause);
}

/* ---- the request ------------------------------------------------------------- */

/* "already in the process of unplug" is no error: the guest has an earlier request. */
static void on_asked(void *data, struct json_object *result, const struct err *err)
{
	struct vm_detach *detach = data;
	struct vm *vm = vm_entry_vm(detach->entry);

	(void)result;
	detach->is_asked = true;
	if (detach->is_over) {
		end(detach, NULL);
	} else if (err && !strstr(err->msg, "in the process of unplug")) {
		if (vm)
			vm_devices_look(vm);
		end(detach, err);
	} else {
		vm_leave(TAKE_PTR(detach->entry));
	}
}

static void ask_guest(struct vm_detach *detach, struct vm *vm)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", detach->id);
	detach->next = vm->detaches;
	vm->detaches = detach;
	detach->timer = loop_timer_new(vm->vms->env.qemu.loop, on_deadline, detach);
	loop_timer_start(detach->timer, detach->timeout_ms);
	vm_entry_command(detach->entry, "device_del", args, DEVICE_COMMAND_MS, on_asked, detach);
}

static void on_defined(void *data, const struct err *err)
{
	end(data, err);
}

static bool is_waiting(const struct vm *vm, const char *id)
{
	for (const struct vm_detach *detach = vm->detaches; detach; detach = detach->next)
		if (strcmp(detach->id, id) == 0)
			return true;
	return false;
}

/* QEMU 7.2 under TCG goes on using the address space of a CPU that is gone: its heap
 * is corrupt, and the next change of the memory map ends it.  10.0 was seen to work. */
static bool is_deadly(const struct vm *vm, const struct vm_def *def, struct vm_def_device dev)
{
	const struct qmp_version *version = qemu_version(vm->qemu);

	return dev.kind == VM_DEF_KIND_VCPU && def->accel == VM_DEF_ACCEL_TCG && version &&
	       version->major < 10;
}

static bool may_go(const struct vm *vm, const struct vm_def *def, struct vm_def_device dev,
		   struct err *err)
{
	const char *id = vm_def_device_id(def, dev);
	const char *address = vm_def_device_pci_const(def, dev);

	if (!vm_is_active(vm))
		return err_set(err, ERR_CONFLICT, "cannot change the devices of VM '%s': it is %s",
			       vm->row.name, vm_state(vm));
	if (is_waiting(vm, id))
		return err_set(err, ERR_BUSY, "device '%s' is being removed already", id);
	if (dev.kind == VM_DEF_KIND_CDROM)
		return err_set(err, ERR_CONFLICT,
			       "the CD drive '%s' cannot be removed while the VM runs: eject its "
			       "medium, or stop the VM first",
			       id);
	if (dev.kind == VM_DEF_KIND_VIDEO)
		return err_set(err, ERR_CONFLICT,
			       "the display adapter '%s' cannot be removed while the VM runs: stop "
			       "it first",
			       id);
	if (vm_def_pci_slot(address) && vm_def_is_q35(def))
		return err_set(err, ERR_CONFLICT,
			       "device '%s' sits in slot %s of the root bus, where nothing can be "
			       "removed while the VM runs: stop it first",
			       id, address);
	if (is_deadly(vm, def, dev))
		return err_set(err, ERR_CONFLICT,
			       "the CPU '%s' cannot be removed from an emulated guest while it "
			       "runs: "
			       "a QEMU before 10.0 does not survive it; stop the VM first",
			       id);
	return true;
}

static void begin(struct vm_detach *detach, struct vm *vm, struct vm_def *def)
{
	struct vm_def_device dev;
	struct err err;

	if (!vm_copy_definition(vm, def, &err)) {
		end(detach, &err);
	} else if (!vm_def_find_device(def, detach->id, &dev)) {
		err_set(&err, ERR_NOT_FOUND, "VM '%s' has no device '%s'", vm->row.name,
			*detach->id ? detach->id : "(a longer id than any has)");
		end(detach, &err);
	} else if (!vm->qemu) {
		vm_def_remove_device(def, dev);
		vm_define(vm, def, on_defined, detach);
	} else if (may_go(vm, def, dev, &err)) {
		ask_guest(detach, vm);
	} else {
		end(detach, &err);
	}
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct vm_detach *detach = data;
	struct vm_def *def;

	detach->entry = entry;
	if (err) {
		end(detach, err);
		return;
	}
	def = xnew(struct vm_def);
	begin(detach, vm_entry_vm(entry), def);
	free(def);
}

void vm_detach(struct vm *vm, const char *id, uint32_t timeout_ms, vm_done_fn *done, void *data)
{
	struct vm_detach *detach = xnew(struct vm_detach);

	detach->vms = vm->vms;
	memcpy(detach->uuid, vm->row.uuid, sizeof(detach->uuid));
	if (strlen(id) < sizeof(detach->id)) /* no device has a longer id */
		snprintf(detach->id, sizeof(detach->id), "%s", id);
	detach->timeout_ms = timeout_ms;
	detach->done = done;
	detach->data = data;
	vm_enter(vm, VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, detach);
}

bool vm_try_detach(struct vm *vm, const char *id, struct err *err)
{
	const struct vm_def *def;
	struct vm_def_device dev;

	if (!vm_may_enter(vm, VM_SYNC_DEVICE, err))
		return false;
	def = vm_def_of(vm, err);
	if (!def)
		return false;
	if (!vm_def_find_device(def, id, &dev))
		return err_set(err, ERR_NOT_FOUND, "VM '%s' has no device '%.64s'", vm->row.name,
			       id);
	return !vm->qemu || may_go(vm, def, dev, err);
}
