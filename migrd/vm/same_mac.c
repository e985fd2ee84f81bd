/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/same_mac.h"

#include <string.h>

#include "base/mem.h"
#include "vm/vm_priv.h"
#include "wire/vm_def.h"

struct macs {
	char list[VM_DEF_NIC_MAX][VM_DEF_MAC_SIZE];
	size_t count;
};

static void read_macs(const char *definition, struct macs *ret)
{
	CLEANUP(json_putp) struct json_object *def = json_tokener_parse(definition);
	struct json_object *nics = def ? json_object_object_get(def, "nics") : NULL;
	size_t count = json_count(nics);

	ret->count = 0;
	for (size_t i = 0; i < count && ret->count < VM_DEF_NIC_MAX; i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);
		const char *type = json_get_str(nic, "type"), *mac = json_get_str(nic, "mac");

		if (type && mac && strcmp(type, vm_def_nic_type_names[VM_DEF_NIC_TYPE_USER]) != 0)
			snprintf(ret->list[ret->count++], VM_DEF_MAC_SIZE, "%s", mac);
	}
}

/* The text first: a host may have many VMs, and few of them an address in common. */
static bool has_mac(const struct vm *vm, const char *mac)
{
	struct macs macs;

	if (!strcasestr(vm->row.definition, mac))
		return false;
	read_macs(vm->row.definition, &macs);
	for (size_t i = 0; i < macs.count; i++) {
		if (strcasecmp(macs.list[i], mac) == 0)
			return true;
	}
	return false;
}

static bool find(const struct vm *vm, const char *mac, char ret_words[ERR_MSG_SIZE])
{
	for (const struct vm *other = vm->vms->list; other; other = other->next) {
		if (other == vm || !other->qemu || other->role == VM_ROLE_INCOMING ||
		    !has_mac(other, mac))
			continue;
		err_text(ret_words,
			 "VM '%s' runs here too with the MAC address %s: on one bridge each gets "
			 "frames of the other, or none",
			 other->row.name, mac);
		return true;
	}
	return false;
}

bool vm_same_mac(const struct vm *vm, char ret_words[ERR_MSG_SIZE])
{
	struct macs macs;

	read_macs(vm->row.definition, &macs);
	for (size_t i = 0; i < macs.count; i++) {
		if (find(vm, macs.list[i], ret_words))
			return true;
	}
	return false;
}
