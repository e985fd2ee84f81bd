/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adds a device to a VM. */
#include "base/log.h"
#include "base/mem.h"
#include "cmdline/plug.h"
#include "vm/devices_priv.h"
#include "vm/same_cid.h"
#include "vm/taps.h"
#include "wire/vm_def_device.h"

struct attach {
	struct vm_entry *entry; /* NULL: it still waits */
	struct json_object *request;
	struct vm_def *def; /* with the device */
	struct vm_def_device dev;
	bool is_pci;
	char id[VM_DEF_ID_SIZE];
	struct plug plug;
	struct faults *faults;
	struct err err; /* the first error */
	vm_attached_fn *done;
	void *data;
};

/* ---- the end --------------------------------------------------------------- */

static void finish(struct attach *attach)
{
	const struct vm *vm = attach->entry ? vm_entry_vm(attach->entry) : NULL;
	bool is_faulty = attach->faults->count > 0;

	if (is_faulty)
		faults_to_err(attach->faults, &attach->err);
	log_info("vm", "attach", "vm=%s device=%s result=%s", vm ? vm->row.name : "-", attach->id,
		 err_is_set(&attach->err) ? attach->err.msg : "done");
	if (attach->entry)
		vm_leave(attach->entry);
	attach->done(attach->data, is_faulty ? attach->faults : NULL,
		     err_is_set(&attach->err) ? &attach->err : NULL);
	json_object_put(attach->request);
	plug_fini(&attach->plug);
	faults_free(attach->faults);
	free(attach->def);
	free(attach);
}

static void fail(struct attach *attach, const struct err *err)
{
	if (!err_is_set(&attach->err))
		attach->err = *err;
}

static void gone(struct attach *attach)
{
	struct err err;

	vm_entry_gone(attach->entry, &err);
	fail(attach, &err);
	finish(attach);
}

/* ---- 4. look what has become of it ------------------------------------------ */

static void on_looked(void *data, const struct err *err)
{
	struct attach *attach = data;
	struct vm *vm = vm_entry_vm(attach->entry);
	struct vm_def_device dev;
	struct err missing;

	if (err)
		fail(attach, err);
	if (!vm) {
		gone(attach);
		return;
	}
	err_set(&missing, ERR_QEMU, "QEMU took the device '%s' and has it no more", attach->id);
	if (!err_is_set(&attach->err) && (!vm_copy_definition(vm, attach->def, &missing) ||
					  !vm_def_find_device(attach->def, attach->id, &dev)))
		fail(attach, &missing);
	finish(attach);
}

static void look(struct attach *attach)
{
	devices_look(attach->entry, on_looked, attach);
}

/* ---- 3. QEMU hears of it ----------------------------------------------------- */

static void on_device_added(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		fail(data, err);
	look(data);
}

static void add_device(struct attach *attach)
{
	vm_entry_command(attach->entry, "device_add", json_object_get(attach->plug.device_args),
			 DEVICE_COMMAND_MS, on_device_added, attach);
}

static void on_backend_added(void *data, struct json_object *result, const struct err *err)
{
	struct attach *attach = data;

	(void)result;
	if (err) {
		fail(attach, err);
		look(attach);
	} else {
		add_device(attach);
	}
}

static void on_noted(void *data, const struct err *err)
{
	struct attach *attach = data;
	struct vm *vm = vm_entry_vm(attach->entry);

	if (!vm) {
		gone(attach);
	} else if (err) {
		vm_set_attaching(vm, NULL);
		vm_owe_record(vm); /* another record of the VM may have been written meanwhile */
		fail(attach, err);
		finish(attach);
	} else if (attach->plug.backend) {
		vm_entry_command(attach->entry, attach->plug.backend->add,
				 json_object_get(attach->plug.backend_args), DEVICE_COMMAND_MS,
				 on_backend_added, attach);
	} else {
		add_device(attach);
	}
}

/* ---- 2. where it goes, and that it is on its way ------------------------------- */

static void on_defined(void *data, const struct err *err)
{
	if (err)
		fail(data, err);
	finish(data);
}

/* A definition from before there were hot-plug ports keeps none: with has_hotplug_ports
 * set, vm_def_normalize() adds no default ones. */
static bool normalize(struct attach *attach)
{
	struct err err;

	attach->def->has_hotplug_ports |= vm_def_is_q35(attach->def);
	if (vm_def_normalize(attach->def, &err))
		return true;
	fail(attach, &err);
	return false;
}

static void commit(struct attach *attach)
{
	struct vm *vm = vm_entry_vm(attach->entry);
	CLEANUP(json_putp) struct json_object *device = NULL;

	if (!normalize(attach)) {
		finish(attach);
	} else if (!vm->qemu) {
		vm_define(vm, attach->def, on_defined, attach);
	} else {
		device = vm_def_device_json(attach->def, attach->dev);
		vm_set_attaching(vm, device);
		plug_init(&attach->plug, attach->def, attach->dev);
		vm_save(vm, on_noted, attach);
	}
}

/* The root bus of q35 takes no device while the guest runs.  A hot-plug port has room
 * for VM_DEF_PORT_RESERVE_MIB. */
static void place_pci(struct attach *attach, char *address)
{
	const struct vm_def *def = attach->def;
	struct err err;

	if (!vm_def_is_q35(def))
		return;
	if (vm_def_pci_slot(address))
		faults_add(attach->faults, "/pci_address",
			   "the root bus takes no device while the VM runs: name a hot-plug port, "
			   "such as port1, or leave it out");
	else if (attach->dev.kind == VM_DEF_KIND_SHARED_MEMORY &&
		 def->shared_memory[attach->dev.index].size_mib > VM_DEF_PORT_RESERVE_MIB)
		faults_add(attach->faults, "/size_mib",
			   "a hot-plug port has room for %d MiB; stop the VM to add more",
			   VM_DEF_PORT_RESERVE_MIB);
	else if (!*address && !vm_def_pick_port(def, address, &err))
		fail(attach, &err);
}

/* IDE and SATA take no drive while the machine runs; SCSI drives are refused with them,
 * since they are not told apart.  QEMU plugs in no display adapter. */
static void check_fixed(struct attach *attach)
{
	if (attach->dev.kind == VM_DEF_KIND_CDROM && vm_entry_vm(attach->entry)->qemu)
		faults_add(attach->faults, "/kind",
			   "a CD drive cannot join a VM that runs: stop the VM and attach it then; "
			   "an empty one takes a medium while it runs");
	if (attach->dev.kind == VM_DEF_KIND_VIDEO && vm_entry_vm(attach->entry)->qemu)
		faults_add(attach->faults, "/kind",
			   "a display adapter cannot join a VM that runs: stop the VM and attach "
			   "it "
			   "then");
}

static void check_cid(struct attach *attach)
{
	struct err err;

	if (attach->dev.kind == VM_DEF_KIND_VSOCK &&
	    !vm_cid_is_free(vm_entry_vm(attach->entry)->vms, attach->def, &err))
		faults_add(attach->faults, "/cid", "%s", err.msg);
}

static void place(struct attach *attach)
{
	char *address = vm_def_device_pci(attach->def, attach->dev);

	check_fixed(attach);
	check_cid(attach);
	if (!attach->faults->count && attach->is_pci && vm_entry_vm(attach->entry)->qemu)
		place_pci(attach, address);
	if (attach->faults->count || err_is_set(&attach->err))
		finish(attach);
	else
		commit(attach);
}

/* ---- 1c. a NIC: the host has its interface --------------------------------------- */

static void on_taps(void *data, const struct err *err)
{
	struct attach *attach = data;

	if (!vm_entry_vm(attach->entry)) {
		gone(attach);
		return;
	}
	if (err)
		faults_add(attach->faults, "/ifname", "%s", err->msg);
	place(attach);
}

/* Checks the host's interface of a NIC; that of a stopped VM is checked at its start. */
static void check_interface(struct attach *attach)
{
	struct vm *vm = vm_entry_vm(attach->entry);
	const struct vm_def_nic *nic = attach->dev.kind == VM_DEF_KIND_NIC && vm->qemu
					       ? &attach->def->nics[attach->dev.index]
					       : NULL;

	if (nic && nic->type == VM_DEF_NIC_TYPE_MACVTAP)
		faults_add(attach->faults, "/type",
			   "a macvtap cannot join a VM that runs, since QEMU gets it open at its "
			   "start: stop the VM and attach it then");
	if (!nic || !vm_taps_check_nic(vm, nic, on_taps, attach))
		place(attach);
}

/* ---- 1b. any device: QEMU knows its properties ---------------------------------- */

static bool has_property(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *found = json_get_str(json_object_array_get_idx(list, i), "name");

		if (found && strcmp(found, name) == 0)
			return true;
	}
	return false;
}

static void check_properties(struct attach *attach, struct json_object *list, bool is_pci)
{
	const struct vm_def_any_device *any = &attach->def->devices[attach->dev.index];
	CLEANUP(json_putp)
	struct json_object *properties = json_read_back(*any->properties ? any->properties : "{}");
	char pointer[160];

	json_object_object_foreach(properties, key, value)
	{
		bool is_bus = strcmp(key, "bus") == 0;

		(void)value;
		snprintf(pointer, sizeof(pointer), "/properties/%.100s", key);
		if (is_bus && is_pci)
			faults_add(attach->faults, pointer, "use pci_address");
		else if (!is_bus && !has_property(list, key))
			faults_add(attach->faults, pointer, "'%s' has no such property",
				   any->driver);
	}
	if (!is_pci && *any->pci_address)
		faults_add(attach->faults, "/pci_address", "'%s' is no PCI device", any->driver);
}

static void on_properties(void *data, struct json_object *result, const struct err *err)
{
	struct attach *attach = data;

	if (!vm_entry_vm(attach->entry)) {
		gone(attach);
	} else if (err && err->code == ERR_QEMU) {
		faults_add(attach->faults, "/driver", "%s", err->msg);
		finish(attach);
	} else if (err || !json_object_is_type(result, json_type_array)) {
		struct err strange;

		err_set(&strange, ERR_QEMU, "QEMU lists no properties");
		fail(attach, err ? err : &strange);
		finish(attach);
	} else {
		/* All PCI devices have this property. */
		attach->is_pci = has_property(result, "multifunction");
		check_properties(attach, result, attach->is_pci);
		place(attach);
	}
}

static void ask_properties(struct attach *attach)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "typename", attach->def->devices[attach->dev.index].driver);
	vm_entry_command(attach->entry, "device-list-properties", args, DEVICE_COMMAND_MS,
			 on_properties, attach);
}

/* ---- 1. what it is --------------------------------------------------------------- */

static bool decode(struct attach *attach, struct vm *vm)
{
	struct err err;
	const struct vm_def *now = vm_def_of(vm, &err);
	bool ok = false;

	if (!now)
		fail(attach, &err);
	else
		ok = vm_def_add_device(now, attach->request, attach->def, &attach->dev,
				       attach->faults);
	if (ok)
		snprintf(attach->id, sizeof(attach->id), "%s",
			 vm_def_device_id(attach->def, attach->dev));
	return ok;
}

/* An earlier attach that QEMU had not answered is decided by now, if QEMU answers
 * again. */
static void on_settled(void *data, const struct err *err)
{
	struct attach *attach = data;
	struct vm *vm = vm_entry_vm(attach->entry);
	struct err busy;

	if (err)
		fail(attach, err);
	if (vm && vm->row.attaching) {
		err_set(&busy, ERR_UNAVAILABLE,
			"what became of the last device that was added to VM '%s' is not known, "
			"since its QEMU does not answer",
			vm->row.name);
		fail(attach, &busy);
	}
	if (vm && vm->qemu && !vm_is_active(vm)) {
		err_set(&busy, ERR_CONFLICT, "cannot change the devices of VM '%s': it is %s",
			vm->row.name, vm_state(vm));
		fail(attach, &busy);
	}
	if (!vm) {
		gone(attach);
	} else if (err_is_set(&attach->err) || !decode(attach, vm)) {
		finish(attach);
	} else if (vm->qemu && attach->dev.kind == VM_DEF_KIND_GENERIC) {
		ask_properties(attach);
	} else {
		attach->is_pci = vm_def_device_pci(attach->def, attach->dev) != NULL;
		check_interface(attach);
	}
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct attach *attach = data;
	const struct vm *vm;

	attach->entry = entry;
	if (err) {
		fail(attach, err);
		finish(attach);
		return;
	}
	vm = vm_entry_vm(entry);
	if (vm->row.attaching)
		devices_look(entry, on_settled, attach);
	else
		on_settled(attach, NULL);
}

void vm_attach(struct vm *vm, struct json_object *device, vm_attached_fn *done, void *data)
{
	struct attach *attach = xnew(struct attach);

	attach->request = json_object_get(device);
	attach->def = xnew(struct vm_def);
	attach->faults = faults_new();
	attach->done = done;
	attach->data = data;
	vm_enter(vm, VM_SYNC_DEVICE, VM_ENTRY_USUAL, on_entered, attach);
}

bool vm_try_attach(struct vm *vm, struct json_object *device, struct faults *faults,
		   struct err *err)
{
	const struct vm_def *now;
	struct vm_def_device dev;
	struct vm_def *def;
	bool ok;

	if (!vm_may_enter(vm, VM_SYNC_DEVICE, err))
		return false;
	now = vm_def_of(vm, err);
	if (!now)
		return false;
	def = xnew(struct vm_def);
	ok = vm_def_add_device(now, device, def, &dev, faults) && vm_def_normalize(def, err);
	free(def);
	return ok;
}
