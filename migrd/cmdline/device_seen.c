/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline/device_seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmdline/cdrom_seen.h"
#include "cmdline/plug.h"

#define BRIDGE_DEPTH_MAX 8

static const struct {
	const char *command;
	uint32_t kinds; /* that it tells of: bits of enum vm_def_kind */
} queries[SEEN_COUNT] = {
	[SEEN_QOM] = { "qom-list", UINT32_MAX },
	[SEEN_PCI] = { "query-pci", 1u << VM_DEF_KIND_DISK | 1u << VM_DEF_KIND_NIC |
					    1u << VM_DEF_KIND_SHARED_MEMORY |
					    1u << VM_DEF_KIND_GENERIC | 1u << VM_DEF_KIND_VSOCK |
					    1u << VM_DEF_KIND_VIDEO },
	[SEEN_MEMORY] = { "query-memory-devices", 1u << VM_DEF_KIND_MEMORY },
	[SEEN_VCPUS] = { "query-hotpluggable-cpus", 1u << VM_DEF_KIND_VCPU },
	[SEEN_BLOCK] = { "query-block", 1u << VM_DEF_KIND_CDROM },
};

const char *seen_command(enum seen_query query)
{
	return queries[query].command;
}

/* QEMU keeps the devices that were given an id in /machine/peripheral. */
struct json_object *seen_arguments(enum seen_query query)
{
	struct json_object *args;

	if (query != SEEN_QOM)
		return NULL;
	args = json_object_new_object();
	json_add_str(args, "path", "/machine/peripheral");
	return args;
}

bool seen_is_wanted(enum seen_query query, const struct vm_def *def)
{
	for (unsigned kind = 0; kind < VM_DEF_KIND_COUNT; kind++)
		if (queries[query].kinds & 1u << kind &&
		    vm_def_device_count(def, (enum vm_def_kind)kind))
			return true;
	return false;
}

void seen_fini(struct seen *seen)
{
	for (size_t i = 0; i < SEEN_COUNT; i++)
		json_object_put(seen->answers[i]);
}

bool seen_is_known(const struct seen *seen)
{
	return json_object_is_type(seen->answers[SEEN_QOM], json_type_array);
}

/* ---- lists of objects ---------------------------------------------------- */

static struct json_object *array_member(struct json_object *obj, const char *key)
{
	struct json_object *member = NULL;

	if (json_object_is_type(obj, json_type_object))
		json_object_object_get_ex(obj, key, &member);
	return member;
}

static bool has_str(struct json_object *obj, const char *key, const char *value)
{
	const char *found = json_get_str(obj, key);

	return found && strcmp(found, value) == 0;
}

static bool has_id(const struct seen *seen, const char *id)
{
	struct json_object *list = seen->answers[SEEN_QOM];

	for (size_t i = 0; i < json_count(list); i++)
		if (has_str(json_object_array_get_idx(list, i), "name", id))
			return true;
	return false;
}

/* ---- PCI ----------------------------------------------------------------- */

/* The place of DEVICE, written as a pci_address; "" if it is none that one can name. */
static void format_place(struct json_object *device, const char *bridge, char ret[VM_DEF_PCI_SIZE])
{
	int64_t slot = json_get_int(device, "slot", -1);
	char id[24];

	ret[0] = '\0';
	if (json_get_int(device, "function", -1) != 0 || slot < 0 || slot > 0x1f)
		return;
	if (!bridge)
		snprintf(ret, VM_DEF_PCI_SIZE, "0x%x", (unsigned)slot & 0x1f);
	for (unsigned port = 1; bridge && slot == 0 && port <= VM_DEF_HOTPLUG_PORT_MAX; port++) {
		plug_port_id(id, sizeof(id), port);
		if (strcmp(bridge, id) == 0)
			snprintf(ret, VM_DEF_PCI_SIZE, "port%u", port % 100);
	}
}

/* Finds a device by ID or by ADDRESS; the other is NULL.  Its place goes to RET. */
static bool find_pci(struct json_object *devices, const char *bridge, const char *id,
		     const char *address, unsigned depth, char ret[VM_DEF_PCI_SIZE])
{
	for (size_t i = 0; i < json_count(devices) && depth < BRIDGE_DEPTH_MAX; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);
		struct json_object *behind = json_get_obj(device, "pci_bridge");
		const char *own_id = json_get_str(device, "qdev_id");

		format_place(device, bridge, ret);
		if (id ? own_id && strcmp(own_id, id) == 0 : address && strcmp(ret, address) == 0)
			return true;
		if (behind && find_pci(array_member(behind, "devices"), own_id ? own_id : "", id,
				       address, depth + 1, ret))
			return true;
	}
	return false;
}

static bool find_on_buses(const struct seen *seen, const char *id, const char *address,
			  char ret[VM_DEF_PCI_SIZE])
{
	struct json_object *buses = seen->answers[SEEN_PCI];

	for (size_t i = 0; i < json_count(buses); i++) {
		struct json_object *bus = json_object_array_get_idx(buses, i);

		if (json_get_int(bus, "bus", -1) == 0 &&
		    find_pci(array_member(bus, "devices"), NULL, id, address, 0, ret))
			return true;
	}
	return false;
}

static bool is_pci_place_taken(const struct seen *seen, const char *address)
{
	char place[VM_DEF_PCI_SIZE];

	return *address && find_on_buses(seen, NULL, address, place);
}

/* ---- memory and CPUs ----------------------------------------------------- */

/* Finds a memory device by ID, or by SLOT if ID is NULL. */
static struct json_object *find_memory(const struct seen *seen, const char *id, uint64_t slot)
{
	struct json_object *list = seen->answers[SEEN_MEMORY];

	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *data = json_get_obj(json_object_array_get_idx(list, i), "data");

		if (id ? has_str(data, "id", id) : json_get_int(data, "slot", -1) == (int64_t)slot)
			return data;
	}
	return NULL;
}

static bool has_vcpu(const struct seen *seen, uint64_t index)
{
	struct json_object *list = seen->answers[SEEN_VCPUS];

	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *cpu = json_object_array_get_idx(list, i);
		struct json_object *props = json_get_obj(cpu, "props");

		if (json_get_int(props, "core-id", -1) == (int64_t)index &&
		    json_get_int(props, "socket-id", -1) == 0)
			return json_get_str(cpu, "qom-path") != NULL;
	}
	return false;
}

/* ---- a device of the definition ------------------------------------------ */

static bool is_place_taken(const struct seen *seen, const struct vm_def *def,
			   struct vm_def_device dev)
{
	struct cdrom_seen drive;

	switch (dev.kind) {
	case VM_DEF_KIND_DISK:
	case VM_DEF_KIND_NIC:
	case VM_DEF_KIND_SHARED_MEMORY:
	case VM_DEF_KIND_GENERIC:
	case VM_DEF_KIND_VSOCK:
	case VM_DEF_KIND_VIDEO:
		return is_pci_place_taken(seen, vm_def_device_pci_const(def, dev));
	case VM_DEF_KIND_MEMORY:
		return find_memory(seen, NULL, def->memory_devices[dev.index].slot);
	case VM_DEF_KIND_VCPU:
		return has_vcpu(seen, def->vcpu_devices[dev.index].index);
	case VM_DEF_KIND_CDROM:
		return cdrom_seen_find(seen->answers[SEEN_BLOCK], def, dev.index, &drive);
	case VM_DEF_KIND_COUNT:
		break;
	}
	return false;
}

/* True: each query that tells of KIND was answered. */
static bool is_told_of(const struct seen *seen, enum vm_def_kind kind)
{
	for (size_t i = 0; i < SEEN_COUNT; i++)
		if (queries[i].kinds & 1u << kind &&
		    !json_object_is_type(seen->answers[i], json_type_array))
			return false;
	return true;
}

bool seen_is_gone(const struct seen *seen, const struct vm_def *def, struct vm_def_device dev)
{
	return is_told_of(seen, dev.kind) && !has_id(seen, vm_def_device_id(def, dev)) &&
	       !is_place_taken(seen, def, dev);
}

struct json_object *seen_media(const struct seen *seen)
{
	struct json_object *blocks = seen->answers[SEEN_BLOCK];

	return json_object_is_type(blocks, json_type_array) ? blocks : NULL;
}

static void take_memory_place(const struct seen *seen, struct vm_def_memory_device *memory)
{
	struct json_object *data = find_memory(seen, memory->id, 0);
	int64_t slot = json_get_int(data, "slot", -1), address = json_get_int(data, "addr", -1);

	if (slot < 0 || slot >= VM_DEF_MEMORY_DEVICE_MAX || address < 0)
		return;
	memory->slot = (uint64_t)slot;
	memory->address = (uint64_t)address;
	memory->has_slot = memory->has_address = true;
}

void seen_take_place(const struct seen *seen, struct vm_def *def, struct vm_def_device dev)
{
	char *address = vm_def_device_pci(def, dev);
	char place[VM_DEF_PCI_SIZE];

	if (dev.kind == VM_DEF_KIND_MEMORY)
		take_memory_place(seen, &def->memory_devices[dev.index]);
	else if (address && find_on_buses(seen, vm_def_device_id(def, dev), NULL, place) && *place)
		memcpy(address, place, VM_DEF_PCI_SIZE);
}
