/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The definition of a VM, as stored text and as a struct. */
#include "base/mem.h"
#include "vm/devices_priv.h"
#include "wire/vm_def_device.h"

static bool decode(const char *text, struct vm_def *ret, struct err *err)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp)
	struct json_object *obj = json_parse(text, strlen(text), &json_limits_default, faults);
	bool ok = obj && vm_def_decode(obj, ret, faults);

	if (!ok)
		faults_to_err(faults, err);
	faults_free(faults);
	return ok;
}

const struct vm_def *vm_def_of(struct vm *vm, struct err *err)
{
	if (vm->def)
		return vm->def;
	vm->def = xnew(struct vm_def);
	if (!decode(vm->row.definition, vm->def, err))
		vm_forget_def(vm);
	return vm->def;
}

bool vm_copy_definition(struct vm *vm, struct vm_def *ret, struct err *err)
{
	const struct vm_def *def = vm_def_of(vm, err);

	if (def)
		memcpy(ret, def, sizeof(*ret));
	return def != NULL;
}

void vm_forget_def(struct vm *vm)
{
	free(TAKE_PTR(vm->def));
}

static char *text_of(struct json_object *obj)
{
	return xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
}

const char *vm_labels(struct vm *vm)
{
	CLEANUP(json_putp) struct json_object *def = NULL;
	struct json_object *labels;

	if (vm->labels)
		return vm->labels;
	def = json_read_back(vm->row.definition);
	labels = json_get_obj(def, "labels");
	vm->labels = labels ? text_of(labels) : xstrdup("");
	return vm->labels;
}

void vm_set_definition(struct vm *vm, const struct vm_def *def)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);

	free(vm->row.definition);
	vm->row.definition = text_of(obj);
	free(TAKE_PTR(vm->labels));
	if (vm->def)
		memcpy(vm->def, def, sizeof(*def));
}

/* ---- a change that only the record knows ---------------------------------------- */

struct defining {
	struct vms *vms;
	char uuid[ID_UUID_SIZE];
	struct vm_def former;
	store_done_fn *done;
	void *data;
};

static void put_back(struct vm *vm, const struct defining *defining)
{
	vm_set_definition(vm, &defining->former);
	vm_owe_record(vm); /* another record of the VM may have been written meanwhile */
}

static void on_defined(void *data, const struct err *err)
{
	struct defining *defining = data;
	struct vm *vm = vm_find_uuid(defining->vms, defining->uuid);

	if (vm && err)
		put_back(vm, defining);
	defining->done(defining->data, err);
	free(defining);
}

void vm_define(struct vm *vm, const struct vm_def *def, store_done_fn *done, void *data)
{
	struct defining *defining = xnew(struct defining);
	struct err ignored; /* the caller has made DEF of it */

	defining->vms = vm->vms;
	memcpy(defining->uuid, vm->row.uuid, sizeof(defining->uuid));
	(void)vm_copy_definition(vm, &defining->former, &ignored);
	defining->done = done;
	defining->data = data;
	vm_set_definition(vm, def);
	vm_save(vm, on_defined, defining);
}

void vm_set_attaching(struct vm *vm, struct json_object *device)
{
	free(vm->row.attaching);
	vm->row.attaching = device ? text_of(device) : NULL;
}

struct json_object *vm_devices_json(struct vm *vm)
{
	struct json_object *list = json_object_new_array();
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	if (def) {
		VM_DEF_EACH_DEVICE(def, dev)
		{
			json_object_array_add(list, vm_def_device_json(def, dev));
		}
	}
	return list;
}

struct json_object *vm_device_json(struct vm *vm, const char *id)
{
	struct vm_def_device dev;
	struct err ignored;
	const struct vm_def *def = vm_def_of(vm, &ignored);

	return def && vm_def_find_device(def, id, &dev) ? vm_def_device_json(def, dev) : NULL;
}
