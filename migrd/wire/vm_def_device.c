/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_device.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name, *list;
} kinds[VM_DEF_KIND_COUNT] = {
	[VM_DEF_KIND_DISK] = { "disk", "disks" },
	[VM_DEF_KIND_NIC] = { "nic", "nics" },
	[VM_DEF_KIND_SHARED_MEMORY] = { "shared_memory", "shared_memory" },
	[VM_DEF_KIND_MEMORY] = { "memory", "memory_devices" },
	[VM_DEF_KIND_VCPU] = { "vcpu", "vcpu_devices" },
	[VM_DEF_KIND_GENERIC] = { "generic", "devices" },
	[VM_DEF_KIND_CDROM] = { "cdrom", "cdroms" },
	[VM_DEF_KIND_VSOCK] = { "vsock", "vsocks" },
	[VM_DEF_KIND_VIDEO] = { "video", "videos" },
};

_Static_assert(offsetof(struct vm_def_disk, id) == 0 && offsetof(struct vm_def_nic, id) == 0 &&
		       offsetof(struct vm_def_shared_memory, id) == 0 &&
		       offsetof(struct vm_def_memory_device, id) == 0 &&
		       offsetof(struct vm_def_vcpu_device, id) == 0 &&
		       offsetof(struct vm_def_any_device, id) == 0 &&
		       offsetof(struct vm_def_cdrom, id) == 0 &&
		       offsetof(struct vm_def_vsock, id) == 0 &&
		       offsetof(struct vm_def_video, id) == 0,
	       "an element begins with its id");

static const struct json_field *find_field(const struct json_field *fields, const char *key)
{
	while (fields->key && strcmp(fields->key, key) != 0)
		fields++;
	return fields->key ? fields : NULL;
}

/* The row of the kind's list in the definition's own table. */
static const struct json_field *list_field(enum vm_def_kind kind)
{
	const struct json_field *field = vm_def_fields;

	while (strcmp(field->key, kinds[kind].list) != 0) /* a test finds every kind */
		field++;
	return field;
}

const char *vm_def_kind_name(enum vm_def_kind kind)
{
	return kinds[kind].name;
}

const struct json_field *vm_def_kind_fields(enum vm_def_kind kind)
{
	return list_field(kind)->fields;
}

const char *vm_def_kind_list(enum vm_def_kind kind)
{
	return kinds[kind].list;
}

static size_t *count_of(struct vm_def *def, const struct json_field *list)
{
	return (size_t *)(void *)((char *)def + list->count_offset);
}

size_t vm_def_device_count(const struct vm_def *def, enum vm_def_kind kind)
{
	return *(const size_t *)(const void *)((const char *)def + list_field(kind)->count_offset);
}

static char *element(struct vm_def *def, const struct json_field *list, size_t index)
{
	return (char *)def + list->offset + index * list->size;
}

static const char *element_const(const struct vm_def *def, const struct json_field *list,
				 size_t index)
{
	return (const char *)def + list->offset + index * list->size;
}

const char *vm_def_device_id(const struct vm_def *def, struct vm_def_device dev)
{
	return element_const(def, list_field(dev.kind), dev.index);
}

char *vm_def_device_pci(struct vm_def *def, struct vm_def_device dev)
{
	const struct json_field *list = list_field(dev.kind);
	const struct json_field *pci = find_field(list->fields, "pci_address");

	return pci ? element(def, list, dev.index) + pci->offset : NULL;
}

const char *vm_def_device_pci_const(const struct vm_def *def, struct vm_def_device dev)
{
	const struct json_field *list = list_field(dev.kind);
	const struct json_field *pci = find_field(list->fields, "pci_address");

	return pci ? element_const(def, list, dev.index) + pci->offset : "";
}

bool vm_def_is_pinned(const struct vm_def *def, struct vm_def_device dev)
{
	if (dev.kind == VM_DEF_KIND_CDROM)
		return def->cdroms[dev.index].bus == VM_DEF_CDROM_BUS_SCSI;
	return dev.kind != VM_DEF_KIND_GENERIC &&
	       find_field(list_field(dev.kind)->fields, "pci_address");
}

bool vm_def_find_device(const struct vm_def *def, const char *id, struct vm_def_device *ret)
{
	VM_DEF_EACH_DEVICE(def, dev)
	{
		if (strcmp(vm_def_device_id(def, dev), id) != 0)
			continue;
		*ret = dev;
		return true;
	}
	return false;
}

struct json_object *vm_def_device_json(const struct vm_def *def, struct vm_def_device dev)
{
	const struct json_field *list = list_field(dev.kind);
	CLEANUP(json_putp)
	struct json_object *members =
		json_encode(list->fields, element_const(def, list, dev.index));
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "kind", kinds[dev.kind].name);
	json_object_object_foreach(members, key, member)
		json_object_object_add(obj, key, json_object_get(member));
	return obj;
}

void vm_def_remove_device(struct vm_def *def, struct vm_def_device dev)
{
	const struct json_field *list = list_field(dev.kind);
	size_t *count = count_of(def, list);
	char *at = element(def, list, dev.index);

	assert(dev.index < *count);
	memmove(at, at + list->size, (*count - dev.index - 1) * list->size);
	(*count)--;
	memset(element(def, list, *count), 0, list->size);
}

/* ---- one more ------------------------------------------------------------ */

static bool decode_kind(struct json_object *obj, enum vm_def_kind *ret, struct faults *faults)
{
	const char *name = json_get_str(obj, "kind");

	for (unsigned i = 0; name && i < VM_DEF_KIND_COUNT; i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*ret = (enum vm_def_kind)i;
			return true;
		}
	}
	faults_add(faults, "/kind",
		   "one of disk, nic, shared_memory, memory, vcpu, generic, cdrom, vsock, video%s",
		   name ? "" : ": required");
	return false;
}

/* The document of DEF with OBJ, without its "kind", at the end of the kind's list. */
static struct json_object *document_with(const struct vm_def *def, enum vm_def_kind kind,
					 struct json_object *obj)
{
	struct json_object *document = vm_def_encode(def);
	struct json_object *list = NULL, *member = json_object_new_object();

	json_object_object_foreach(obj, key, value)
	{
		if (strcmp(key, "kind") != 0)
			json_object_object_add(member, key, json_object_get(value));
	}
	if (!json_object_object_get_ex(document, kinds[kind].list, &list)) {
		list = json_object_new_array();
		json_object_object_add(document, kinds[kind].list, list);
	}
	json_object_array_add(list, member);
	return document;
}

/* "/disks/2/path" becomes "/path" of the new device. */
static void copy_faults(const struct faults *from, const char *prefix, struct faults *to)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < from->count && i < FAULT_MAX; i++) {
		const struct fault *fault = &from->list[i];
		bool is_inside = strncmp(fault->pointer, prefix, len) == 0 &&
				 (fault->pointer[len] == '/' || fault->pointer[len] == '\0');

		faults_add(to, is_inside ? fault->pointer + len : "", "%s%s%s",
			   is_inside ? "" : fault->pointer, is_inside ? "" : ": ", fault->detail);
	}
}

bool vm_def_add_device(const struct vm_def *def, struct json_object *obj, struct vm_def *ret,
		       struct vm_def_device *ret_dev, struct faults *faults)
{
	CLEANUP(json_putp) struct json_object *document = NULL;
	struct faults *found;
	char prefix[48];
	bool ok;

	if (!json_object_is_type(obj, json_type_object)) {
		faults_add(faults, "", "an object is wanted");
		return false;
	}
	if (!decode_kind(obj, &ret_dev->kind, faults))
		return false;
	ret_dev->index = vm_def_device_count(def, ret_dev->kind);
	document = document_with(def, ret_dev->kind, obj);
	snprintf(prefix, sizeof(prefix), "/%s/%zu", kinds[ret_dev->kind].list, ret_dev->index);
	found = faults_new();
	ok = vm_def_decode(document, ret, found);
	copy_faults(found, prefix, faults);
	faults_free(found);
	return ok;
}

bool vm_def_pick_port(const struct vm_def *def, char ret_address[VM_DEF_PCI_SIZE], struct err *err)
{
	uint64_t taken = 0;

	VM_DEF_EACH_DEVICE(def, dev)
	{
		taken |= UINT64_C(1) << vm_def_port(vm_def_device_pci_const(def, dev));
	}
	for (unsigned port = 1; port <= def->hotplug_ports; port++) {
		if (taken & UINT64_C(1) << port)
			continue;
		snprintf(ret_address, VM_DEF_PCI_SIZE, "port%u", port % 100);
		return true;
	}
	return err_set(err, ERR_LIMIT,
		       "no hot-plug port is free: VM '%s' has %u, and each takes one PCI device; "
		       "remove one, or stop the VM and change its hotplug_ports",
		       def->name, (unsigned)def->hotplug_ports);
}
