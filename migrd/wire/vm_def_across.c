/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/mem.h"
#include "wire/vm_def_cdrom.h"
#include "wire/vm_def_check.h"
#include "wire/vm_def_device.h"
#include "wire/vm_def_local.h"
#include "wire/vm_def_memory.h"

#define DEVICE_MAX                                                                                \
	(VM_DEF_DISK_MAX + VM_DEF_NIC_MAX + VM_DEF_SHARED_MEMORY_MAX + VM_DEF_MEMORY_DEVICE_MAX + \
	 VM_DEF_VCPU_DEVICE_MAX + VM_DEF_DEVICE_MAX + VM_DEF_CDROM_MAX + VM_DEF_VSOCK_MAX +       \
	 VM_DEF_VIDEO_MAX)

/* What all kinds of devices have in common, and the device's place in the document. */
struct device {
	const char *id, *pci_address;
	const char *list;
	size_t index;
};

struct check {
	const struct vm_def *def;
	struct faults *faults;
	size_t first; /* number of this definition's first fault */
	struct device devices[DEVICE_MAX];
	size_t device_count;
};

static void list_devices(struct check *check)
{
	VM_DEF_EACH_DEVICE(check->def, dev)
	{
		check->devices[check->device_count++] =
			(struct device){ vm_def_device_id(check->def, dev),
					 vm_def_device_pci_const(check->def, dev),
					 vm_def_kind_list(dev.kind), dev.index };
	}
}

/* A member that the table has refused is empty; a second fault because of that would
 * mislead the reader. */
static bool has_fault(const struct check *check, const char *pointer)
{
	size_t len = strlen(pointer);

	for (size_t i = check->first; i < check->faults->count && i < FAULT_MAX; i++) {
		const char *other = check->faults->list[i].pointer;

		if (!strncmp(other, pointer, len) && (other[len] == '/' || other[len] == '\0'))
			return true;
	}
	return false;
}

#define DEVICE_FAULT(check, device, member, ...)                                                   \
	do {                                                                                       \
		char at_[80];                                                                      \
		snprintf(at_, sizeof(at_), "/%s/%zu/%s", (device)->list, (device)->index, member); \
		faults_add((check)->faults, at_, __VA_ARGS__);                                     \
	} while (0)

/* ---- ids and slots ------------------------------------------------------- */

bool vm_def_is_q35(const struct vm_def *def)
{
	return !strncmp(def->machine, "pc-q35-", 7);
}

uint32_t vm_def_reserved_slots(const struct vm_def *def)
{
	uint32_t slots = 1u << 0; /* the host bridge */

	if (vm_def_is_q35(def))
		slots |= 1u << 0x1f; /* hw/i386/pc_q35.c: LPC, SATA, SMBus */
	else if (!strncmp(def->machine, "pc-i440fx-", 10))
		slots |= 1u << 0x1; /* hw/i386/pc_piix.c: ISA bridge, IDE, power management */
	if (def->guest_agent)
		slots |= 1u << VM_DEF_GUEST_AGENT_SLOT;
	for (uint64_t i = 0; i < def->hotplug_ports; i += VM_DEF_PORTS_PER_SLOT)
		slots |= 1u << (VM_DEF_PORT_SLOT - i / VM_DEF_PORTS_PER_SLOT);
	return slots;
}

static void check_unique_id(struct check *check, size_t index)
{
	const struct device *device = &check->devices[index];

	for (size_t i = 0; i < index && *device->id; i++) {
		if (!strcmp(check->devices[i].id, device->id)) {
			DEVICE_FAULT(check, device, "id", "'%s' is the id of /%s/%zu already",
				     device->id, check->devices[i].list, check->devices[i].index);
			return;
		}
	}
}

static void check_unique_slot(struct check *check, size_t index)
{
	const struct device *device = &check->devices[index];

	for (size_t i = 0; i < index && *device->pci_address; i++) {
		if (!strcmp(check->devices[i].pci_address, device->pci_address)) {
			DEVICE_FAULT(check, device, "pci_address", "%s is taken by /%s/%zu",
				     device->pci_address, check->devices[i].list,
				     check->devices[i].index);
			return;
		}
	}
}

static void check_reserved_slot(struct check *check, size_t index)
{
	const struct device *device = &check->devices[index];
	unsigned slot = vm_def_pci_slot(device->pci_address);
	unsigned port = vm_def_port(device->pci_address);

	if (slot && vm_def_reserved_slots(check->def) & 1u << slot)
		DEVICE_FAULT(check, device, "pci_address", "%s is taken by %s", device->pci_address,
			     slot == VM_DEF_GUEST_AGENT_SLOT        ? "the guest agent's channel"
			     : slot <= VM_DEF_PORT_SLOT && slot > 1 ? "the hot-plug ports"
								    : "the machine itself");
	if (port > check->def->hotplug_ports)
		DEVICE_FAULT(check, device, "pci_address", "there are %u hot-plug ports",
			     (unsigned)check->def->hotplug_ports);
}

static void check_devices(struct check *check)
{
	for (size_t i = 0; i < check->device_count; i++) {
		check_unique_id(check, i);
		check_unique_slot(check, i);
		check_reserved_slot(check, i);
	}
}

/* ---- disks --------------------------------------------------------------- */

static void check_disk_pair(struct check *check, size_t first, size_t second)
{
	const struct vm_def_disk *a = &check->def->disks[first], *b = &check->def->disks[second];
	const struct device *device = &check->devices[second]; /* disks are listed first */

	if (*b->path && !strcmp(a->path, b->path) && !(a->readonly && b->readonly))
		DEVICE_FAULT(check, device, "path",
			     "the same file as /disks/%zu, and not both "
			     "readonly: writing twice would destroy it",
			     first);
	if (a->has_boot_index && b->has_boot_index && a->boot_index == b->boot_index)
		DEVICE_FAULT(check, device, "boot_index",
			     "%u is the boot_index of /disks/%zu "
			     "already",
			     (unsigned)b->boot_index, first);
}

static void check_disk(struct check *check, size_t index)
{
	const struct vm_def_disk *disk = &check->def->disks[index];
	const struct device *device = &check->devices[index];

	if (!disk->shared_base)
		return;
	if (!vm_def_disk_is_local(disk))
		DEVICE_FAULT(check, device, "shared_base",
			     "only for a disk that is copied: not beside shared or readonly, whose "
			     "backing files are compared anyway");
	else if (disk->format != VM_DEF_DISK_FORMAT_QCOW2)
		DEVICE_FAULT(check, device, "shared_base", "only a qcow2 image has a backing file");
}

static void check_disks(struct check *check)
{
	for (size_t i = 0; i < check->def->disk_count; i++) {
		check_disk(check, i);
		for (size_t j = 0; j < i; j++)
			check_disk_pair(check, j, i);
	}
}

/* ---- nics ---------------------------------------------------------------- */

static void check_nic(struct check *check, size_t index)
{
	const struct vm_def_nic *nics = check->def->nics, *nic = &nics[index];
	const struct device *device = &check->devices[check->def->disk_count + index];
	char pointer[32];

	snprintf(pointer, sizeof(pointer), "/nics/%zu", index);
	if (!has_fault(check, pointer)) {
		if (nic->type != VM_DEF_NIC_TYPE_USER && !*nic->ifname)
			DEVICE_FAULT(check, device, "ifname", "required for type %s",
				     vm_def_nic_type_names[nic->type]);
		if (nic->type == VM_DEF_NIC_TYPE_USER && *nic->ifname)
			DEVICE_FAULT(check, device, "ifname", "only for type tap or macvtap");
		if (nic->type != VM_DEF_NIC_TYPE_TAP && *nic->bridge)
			DEVICE_FAULT(check, device, "bridge", "only for type tap");
		if (nic->type == VM_DEF_NIC_TYPE_USER && nic->rx_filter)
			DEVICE_FAULT(check, device, "rx_filter", "only for type tap or macvtap");
	}
	for (size_t i = 0; i < index; i++) {
		if (*nic->mac && !strcasecmp(nic->mac, nics[i].mac))
			DEVICE_FAULT(check, device, "mac", "%s is the mac of /nics/%zu already",
				     nic->mac, i);
		if (*nic->ifname && !strcmp(nic->ifname, nics[i].ifname))
			DEVICE_FAULT(check, device, "ifname", "'%s' is used by /nics/%zu already",
				     nic->ifname, i);
	}
}

/* ---- memory and CPUs ------------------------------------------------------ */

static void check_memory(struct check *check)
{
	const struct vm_def *def = check->def;

	if (def->memory_share && strstr(def->machine_options, "memory-backend"))
		faults_add(check->faults, "/memory_share",
			   "machine_options names a memory-backend: say share=on there instead");
	if (def->memory_slots && def->max_memory_mib <= def->memory_mib)
		faults_add(check->faults, "/max_memory_mib",
			   "with memory_slots it must be more than memory_mib");
	else if (!def->memory_slots && def->max_memory_mib)
		faults_add(check->faults, "/max_memory_mib", "only with memory_slots");
	else if (def->memory_slots && vm_def_memory_mib(def) > def->max_memory_mib)
		faults_add(check->faults, "/memory_devices",
			   "%" PRIu64 " MiB with memory_mib, and max_memory_mib is %" PRIu64,
			   vm_def_memory_mib(def), def->max_memory_mib);
	if (def->memory_device_count > def->memory_slots)
		faults_add(check->faults, "/memory_devices",
			   "%zu memory devices, and memory_slots is %" PRIu64,
			   def->memory_device_count, def->memory_slots);
}

static void check_memory_slot(struct check *check, size_t index)
{
	const struct vm_def_memory_device *all = check->def->memory_devices, *one = &all[index];
	char pointer[48];

	snprintf(pointer, sizeof(pointer), "/memory_devices/%zu/slot", index);
	if (one->has_slot && one->slot >= check->def->memory_slots)
		faults_add(check->faults, pointer, "memory_slots is %" PRIu64,
			   check->def->memory_slots);
	for (size_t i = 0; i < index && one->has_slot; i++)
		if (all[i].has_slot && all[i].slot == one->slot)
			faults_add(check->faults, pointer,
				   "%" PRIu64 " is taken by /memory_devices/%zu", one->slot, i);
}

static void check_vcpu_index(struct check *check, size_t index)
{
	const struct vm_def *def = check->def;
	const struct vm_def_vcpu_device *all = def->vcpu_devices, *one = &all[index];
	char pointer[48];

	snprintf(pointer, sizeof(pointer), "/vcpu_devices/%zu/index", index);
	if (one->has_index && (one->index < def->vcpus || one->index >= def->max_vcpus))
		faults_add(check->faults, pointer, "from vcpus to max_vcpus less 1");
	for (size_t i = 0; i < index && one->has_index; i++)
		if (all[i].has_index && all[i].index == one->index)
			faults_add(check->faults, pointer,
				   "%" PRIu64 " is taken by /vcpu_devices/%zu", one->index, i);
}

static void check_vcpus(struct check *check)
{
	const struct vm_def *def = check->def;

	if (def->max_vcpus && def->max_vcpus < def->vcpus)
		faults_add(check->faults, "/max_vcpus", "must not be less than vcpus");
	else if (def->vcpu_device_count && def->vcpus + def->vcpu_device_count >
						   (def->max_vcpus ? def->max_vcpus : def->vcpus))
		faults_add(check->faults, "/vcpu_devices",
			   "%" PRIu64 " with vcpus, and max_vcpus is %" PRIu64,
			   def->vcpus + def->vcpu_device_count, def->max_vcpus);
}

/* ---- the rest ------------------------------------------------------------ */

/* Refuses properties that migrd sets itself, which would be given twice. */
static void check_properties(struct check *check, size_t index)
{
	static const char *const own[] = { "id", "driver", "addr" };
	const struct vm_def_any_device *any = &check->def->devices[index];
	CLEANUP(json_putp)
	struct json_object *properties = *any->properties ? json_read_back(any->properties) : NULL;
	char pointer[64];

	for (size_t i = 0; properties && i < ARRAY_LEN(own); i++) {
		snprintf(pointer, sizeof(pointer), "/devices/%zu/properties/%s", index, own[i]);
		if (json_object_object_get_ex(properties, own[i], NULL))
			faults_add(check->faults, pointer, "use the device's member '%s'",
				   i == 2 ? "pci_address" : own[i]);
	}
	snprintf(pointer, sizeof(pointer), "/devices/%zu/properties/bus", index);
	if (*any->pci_address && json_object_object_get_ex(properties, "bus", NULL))
		faults_add(check->faults, pointer, "pci_address says it");
}

static void check_ports(struct check *check)
{
	if (check->def->hotplug_ports && *check->def->machine && !vm_def_is_q35(check->def))
		faults_add(check->faults, "/hotplug_ports",
			   "only for a q35 machine: others take devices on their root bus");
}

static bool has_path(const struct vm_def_serial *serial)
{
	return serial->type == VM_DEF_SERIAL_TYPE_FILE || serial->type == VM_DEF_SERIAL_TYPE_SOCKET;
}

static void check_serial(struct check *check)
{
	const struct vm_def_serial *serial = &check->def->serial;
	size_t len = strlen(serial->path);
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (has_fault(check, "/serial"))
		return;
	if (!has_path(serial) && len > 0)
		faults_add(check->faults, "/serial/path", "only for type file or socket");
	if (has_path(serial) && len == 0)
		faults_add(check->faults, "/serial/path", "required for type %s",
			   vm_def_serial_type_names[serial->type]);
	if (serial->type == VM_DEF_SERIAL_TYPE_SOCKET && len > max)
		faults_add(check->faults, "/serial/path",
			   "%zu bytes: the path of a socket has at most %zu", len, max);
}

/* QEMU shows a guest without one an empty screen.  A device or a raw option may be one. */
static void check_graphics(struct check *check)
{
	const struct vm_def *def = check->def;

	if (def->graphics.type != VM_DEF_GRAPHICS_TYPE_NONE && !has_fault(check, "/videos") &&
	    !def->video_count && !def->device_count && !def->extra_arg_count)
		faults_add(check->faults, "/graphics",
			   "there is no display to be seen: add one, as \"videos\": [{\"id\": "
			   "\"video0\", \"model\": \"vga\"}]");
}

#define MONITOR_FAULT(check, index, member, ...)                                          \
	do {                                                                              \
		char at_[48];                                                             \
		snprintf(at_, sizeof(at_), "/monitors/%zu%s", (size_t)(index), (member)); \
		faults_add((check)->faults, at_, __VA_ARGS__);                            \
	} while (0)

static void check_monitor_place(struct check *check, size_t index)
{
	const struct vm_def_monitor *monitor = &check->def->monitors[index];
	bool is_unix = monitor->type == VM_DEF_MONITOR_TYPE_UNIX;
	bool is_tcp = monitor->type == VM_DEF_MONITOR_TYPE_TCP;
	size_t len = strlen(monitor->path);
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (is_unix != (len > 0))
		MONITOR_FAULT(check, index, "/path",
			      is_unix ? "required for type unix" : "only for type unix");
	if (is_tcp != (monitor->port > 0))
		MONITOR_FAULT(check, index, "/port",
			      is_tcp ? "required for type tcp" : "only for type tcp");
	if (len > max)
		MONITOR_FAULT(check, index, "/path",
			      "%zu bytes: the path of a socket has at most %zu", len, max);
}

static void check_monitor_pair(struct check *check, size_t first, size_t second)
{
	const struct vm_def_monitor *a = &check->def->monitors[first];
	const struct vm_def_monitor *b = &check->def->monitors[second];

	if (*b->id && !strcmp(a->id, b->id))
		MONITOR_FAULT(check, second, "/id", "'%s' is the id of /monitors/%zu already",
			      b->id, first);
	if (*b->path && !strcmp(a->path, b->path))
		MONITOR_FAULT(check, second, "/path", "the path of /monitors/%zu already", first);
	if (b->port && a->port == b->port)
		MONITOR_FAULT(check, second, "/port", "the port of /monitors/%zu already", first);
}

static void check_monitors(struct check *check)
{
	char pointer[32];

	for (size_t i = 0; i < check->def->monitor_count; i++) {
		snprintf(pointer, sizeof(pointer), "/monitors/%zu", i);
		if (!has_fault(check, pointer))
			check_monitor_place(check, i);
		for (size_t j = 0; j < i; j++)
			check_monitor_pair(check, j, i);
	}
}

static void check_cdroms(struct check *check)
{
	char pointer[32];

	for (size_t i = 0; i < check->def->cdrom_count; i++) {
		snprintf(pointer, sizeof(pointer), "/cdroms/%zu", i);
		if (!has_fault(check, pointer) && !has_fault(check, "/machine"))
			vm_def_check_cdrom(check->def, i, check->faults);
	}
}

/* The size of a PCI memory window is a power of two. */
static void check_shared_memory(struct check *check)
{
	const struct vm_def *def = check->def;
	const struct device *devices = check->devices + def->disk_count + def->nic_count;

	for (size_t i = 0; i < def->shared_memory_count; i++) {
		uint64_t size_mib = def->shared_memory[i].size_mib;

		if (size_mib & (size_mib - 1))
			DEVICE_FAULT(check, &devices[i], "size_mib", "%u is not a power of two",
				     (unsigned)size_mib);
	}
}

static void check_firmware_paths(struct check *check)
{
	const struct vm_def *def = check->def;
	const char *code = def->firmware.code, *vars = def->firmware.vars.path;

	if (!strcmp(vars, code) || !strcmp(vars, def->firmware.vars_template))
		faults_add(check->faults, "/firmware/vars",
			   "the guest writes it: it must be a file of its own");
	for (size_t i = 0; i < def->disk_count; i++) {
		if (!strcmp(vars, def->disks[i].path))
			faults_add(check->faults, "/firmware/vars", "the same file as /disks/%zu",
				   i);
		if (!strcmp(def->disks[i].id, VM_DEF_VARS_ID))
			DEVICE_FAULT(check, &check->devices[i], "id",
				     "'%s' means the variables of the firmware", VM_DEF_VARS_ID);
	}
}

/* Raw options would give what FIELD gives a second time. */
static void check_no_raw(struct check *check, const char *option, const char *field)
{
	const struct vm_def *def = check->def;

	for (size_t i = 0; i < def->extra_arg_count; i++) {
		const char *arg = def->extra_args[i];
		char at[40];

		if (arg[0] != '-' || strcmp(arg + strspn(arg, "-"), option) != 0)
			continue;
		snprintf(at, sizeof(at), "/extra_args/%zu", i);
		faults_add(check->faults, at, "use the field '%s'", field);
	}
}

static void check_firmware(struct check *check)
{
	if (!vm_def_has_firmware(check->def) || has_fault(check, "/firmware"))
		return;
	check_firmware_paths(check);
	check_no_raw(check, "bios", "firmware");
	check_no_raw(check, "pflash", "firmware");
	if (strstr(check->def->machine_options, "pflash"))
		faults_add(check->faults, "/machine_options", "use the field 'firmware'");
}

static void check_memory_backend(struct check *check)
{
	const struct vm_def *def = check->def;

	if (has_fault(check, "/memory_backend") || has_fault(check, "/numa_nodes"))
		return;
	vm_def_check_memory_backend(def, check->faults);
	vm_def_check_numa_nodes(def, check->faults);
	if (vm_def_has_memory_backend(def)) {
		check_no_raw(check, "mem-path", "memory_backend");
		check_no_raw(check, "mem-prealloc", "memory_backend");
		check_no_raw(check, "numa", "numa_nodes");
	}
}

/* Looks at each argument as an option, and at the next one as its value: a value may look like
 * an option. */
static void check_local(struct check *check)
{
	const struct vm_def *def = check->def;

	for (size_t i = 0; i < def->extra_arg_count; i++) {
		const char *value = i + 1 < def->extra_arg_count ? def->extra_args[i + 1] : NULL;
		char at[40];
		struct err err;

		snprintf(at, sizeof(at), "/extra_args/%zu", i);
		if (def->extra_args[i][0] == '-' && !has_fault(check, at) &&
		    !vm_def_check_local(def->extra_args[i], value, &err))
			faults_add(check->faults, at, "%s", err.msg);
	}
}

void vm_def_check_across(const struct vm_def *def, struct faults *faults, size_t first)
{
	struct check check = { .def = def, .faults = faults, .first = first };

	list_devices(&check);
	check_devices(&check);
	check_disks(&check);
	for (size_t i = 0; i < def->nic_count; i++)
		check_nic(&check, i);
	check_memory(&check);
	check_memory_backend(&check);
	for (size_t i = 0; i < def->memory_device_count; i++)
		check_memory_slot(&check, i);
	check_vcpus(&check);
	for (size_t i = 0; i < def->vcpu_device_count; i++)
		check_vcpu_index(&check, i);
	for (size_t i = 0; i < def->device_count; i++)
		check_properties(&check, i);
	check_ports(&check);
	check_serial(&check);
	check_graphics(&check);
	check_shared_memory(&check);
	check_cdroms(&check);
	check_monitors(&check);
	check_firmware(&check);
	if (vm_def_has_tpm(def))
		check_no_raw(&check, "tpmdev", "tpm");
	check_local(&check);
}
