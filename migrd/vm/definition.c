/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The definition of a VM, as it is kept and as a struct. */
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

bool vm_decode_definition(const struct vm *vm, struct vm_def *ret, struct err *err)
{
	return decode(vm->row.definition, ret, err);
}

static char *text_of(struct json_object *obj)
{
	return xstrdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
}

void vm_set_definition(struct vm *vm, const struct vm_def *def)
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);

	free(vm->row.definition);
	vm->row.definition = text_of(obj);
}

void vm_set_attaching(struct vm *vm, struct json_object *device)
{
	free(vm->row.attaching);
	vm->row.attaching = device ? text_of(device) : NULL;
}

struct json_object *vm_devices_json(const struct vm *vm)
{
	struct json_object *list = json_object_new_array();
	struct vm_def *def = xnew(struct vm_def);
	struct err ignored;

	if (vm_decode_definition(vm, def, &ignored)) {
		VM_DEF_EACH_DEVICE(def, dev)
		{
			json_object_array_add(list, vm_def_device_json(def, dev));
		}
	}
	free(def);
	return list;
}

struct json_object *vm_device_json(const struct vm *vm, const char *id)
{
	struct json_object *obj = NULL;
	struct vm_def *def = xnew(struct vm_def);
	struct vm_def_device dev;
	struct err ignored;

	if (vm_decode_definition(vm, def, &ignored) && vm_def_find_device(def, id, &dev))
		obj = vm_def_device_json(def, dev);
	free(def);
	return obj;
}
