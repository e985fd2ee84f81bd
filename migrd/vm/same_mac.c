/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/same_mac.h"

#include <string.h>

#include "base/mem.h"
#include "vm/vm_priv.h"
#include "wire/vm_def_macs.h"

/* Searches the text first, which is fast: a host may have many VMs, of which few share
 * an address. */
static bool has_mac(const struct vm *vm, const char *mac)
{
	struct vm_def_macs macs;

	if (!strcasestr(vm->row.definition, mac))
		return false;
	vm_def_macs_read(vm->row.definition, &macs);
	for (size_t i = 0; i < macs.count; i++) {
		if (strcmp(macs.list[i], mac) == 0)
			return true;
	}
	return false;
}

static bool find(const struct vms *vms, const char *uuid, const char *mac,
		 char ret_words[ERR_MSG_SIZE])
{
	for (const struct vm *other = vms->list; other; other = other->next) {
		if (strcmp(other->row.uuid, uuid) == 0 || !other->qemu ||
		    other->role == VM_ROLE_INCOMING || !has_mac(other, mac))
			continue;
		err_text(ret_words,
			 "VM '%s' runs here too with the MAC address %s: on one bridge each gets "
			 "frames of the other, or none",
			 other->row.name, mac);
		return true;
	}
	return false;
}

static bool find_any(const struct vms *vms, const char *uuid, const char *definition,
		     char ret_words[ERR_MSG_SIZE])
{
	struct vm_def_macs macs;

	vm_def_macs_read(definition, &macs);
	for (size_t i = 0; i < macs.count; i++) {
		if (find(vms, uuid, macs.list[i], ret_words))
			return true;
	}
	return false;
}

bool vm_same_mac(const struct vm *vm, char ret_words[ERR_MSG_SIZE])
{
	return find_any(vm->vms, vm->row.uuid, vm->row.definition, ret_words);
}

bool vms_same_mac(const struct vms *vms, const struct vm_def *def, char ret_words[ERR_MSG_SIZE])
{
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(def);

	return find_any(vms, def->uuid, json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN),
			ret_words);
}
