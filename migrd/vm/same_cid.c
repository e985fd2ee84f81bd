/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/same_cid.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "vm/vm_priv.h"

/* Searches the text first, which is fast: a host may have many VMs, of which few have a vsock. */
static uint64_t cid_of(const struct vm *vm)
{
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct json_object *list = NULL;

	if (!strstr(vm->row.definition, "\"vsocks\""))
		return 0;
	obj = json_read_back(vm->row.definition);
	if (!json_object_object_get_ex(obj, "vsocks", &list) || !json_count(list))
		return 0;
	return (uint64_t)json_get_int(json_object_array_get_idx(list, 0), "cid", 0);
}

bool vm_cid_is_free(struct vms *vms, const struct vm_def *def, struct err *err)
{
	uint64_t cid = vm_def_vsock_cid(def);

	for (const struct vm *vm = vms->list; vm && cid; vm = vm->next) {
		if (strcmp(vm->row.uuid, def->uuid) != 0 && vm->role != VM_ROLE_FORMER &&
		    cid_of(vm) == cid)
			return err_set(err, ERR_CONFLICT,
				       "the vsock CID %" PRIu64
				       " is that of VM '%s' on this host: give one of them another",
				       cid, vm->row.name);
	}
	return true;
}
