/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_macs.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void add(struct vm_def_macs *macs, const char *text)
{
	char *mac = macs->list[macs->count++];

	snprintf(mac, VM_DEF_MAC_SIZE, "%s", text);
	for (; *mac; mac++)
		*mac = (char)tolower((unsigned char)*mac);
}

void vm_def_macs_read(const char *definition, struct vm_def_macs *ret)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(definition);
	struct json_object *nics = def ? json_object_object_get(def, "nics") : NULL;
	size_t count = json_count(nics);

	ret->count = 0;
	for (size_t i = 0; i < count && ret->count < VM_DEF_NIC_MAX; i++) {
		struct json_object *nic = json_object_array_get_idx(nics, i);
		const char *type = json_get_str(nic, "type"), *mac = json_get_str(nic, "mac");

		if (type && mac && strcmp(type, vm_def_nic_type_names[VM_DEF_NIC_TYPE_USER]) != 0)
			add(ret, mac);
	}
}
