/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline/plug.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmdline/memory.h"

#define MIB (UINT64_C(1) << 20)

static const struct plug_backend backend_block = { "-blockdev", "blockdev-add", "blockdev-del",
						   "node-name" };
static const struct plug_backend backend_net = { "-netdev", "netdev_add", "netdev_del", "id" };
static const struct plug_backend backend_object = { "-object", "object-add", "object-del", "id" };

void plug_port_id(char *ret_id, size_t size, unsigned port)
{
	snprintf(ret_id, size, VM_DEF_OWN_PREFIX "port%u", port);
}

/* Without a bus QEMU takes the root bus, on q35 (pcie.0) and on i440fx (pci.0). */
static void add_address(struct json_object *args, const char *pci_address)
{
	unsigned port = vm_def_port(pci_address);
	char bus[24];

	if (port) {
		plug_port_id(bus, sizeof(bus), port);
		json_add_str(args, "bus", bus);
		json_add_str(args, "addr", "0x0");
	} else if (*pci_address) {
		json_add_str(args, "addr", pci_address);
	}
}

static void set_backend(struct plug *plug, const struct plug_backend *backend, const char *id,
			const char *suffix)
{
	plug->backend = backend;
	snprintf(plug->backend_id, sizeof(plug->backend_id), "%s-%s", id, suffix);
	plug->backend_args = json_object_new_object();
	json_add_str(plug->backend_args, backend->key, plug->backend_id);
}

static void set_device(struct plug *plug, const char *driver, const char *id)
{
	plug->device_args = json_object_new_object();
	json_add_str(plug->device_args, "driver", driver);
	json_add_str(plug->device_args, "id", id);
}

/* ---- the kinds ----------------------------------------------------------- */

static void add_cache(struct json_object *node, int cache)
{
	struct json_object *obj = json_object_new_object();

	json_add_bool(obj, "direct", cache == VM_DEF_DISK_CACHE_NONE);
	json_add_bool(obj, "no-flush", cache == VM_DEF_DISK_CACHE_UNSAFE);
	json_object_object_add(node, "cache", obj);
}

/* What the guest discards takes no room, and an image that a move copies stays as thin as it was:
 * QEMU 10.0 and 11.1 fill a raw image over NBD unless both nodes have it. */
static void keep_thin(struct json_object *format, struct json_object *file)
{
	json_add_str(format, "discard", "unmap");
	json_add_str(file, "discard", "unmap");
}

static void plug_disk(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_disk *disk = &def->disks[index];
	struct json_object *file = json_object_new_object();

	set_backend(plug, &backend_block, disk->id, "node");
	json_add_str(plug->backend_args, "driver", vm_def_disk_format_names[disk->format]);
	json_add_bool(plug->backend_args, "read-only", disk->readonly);
	add_cache(plug->backend_args, disk->cache);
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", disk->path);
	add_cache(file, disk->cache);
	if (vm_def_disk_is_local(disk))
		keep_thin(plug->backend_args, file);
	json_object_object_add(plug->backend_args, "file", file);

	set_device(plug, "virtio-blk-pci", disk->id);
	json_add_str(plug->device_args, "drive", plug->backend_id);
	json_add_str(plug->device_args, "write-cache",
		     disk->cache == VM_DEF_DISK_CACHE_WRITETHROUGH ? "off" : "on");
	if (disk->has_boot_index)
		json_add_uint(plug->device_args, "bootindex", disk->boot_index);
	add_address(plug->device_args, disk->pci_address);
}

void plug_disk_node(char *ret_id, size_t size, const char *disk)
{
	snprintf(ret_id, size, "%s-node", disk);
}

void plug_medium_node(char *ret_id, size_t size, const char *cdrom, unsigned which)
{
	static const char *const suffixes[PLUG_MEDIUM_NODES] = { "node", "next" };

	snprintf(ret_id, size, "%s-%s", cdrom, suffixes[which]);
}

struct json_object *plug_medium(const char *node, const char *path, int format)
{
	struct json_object *args = json_object_new_object();
	struct json_object *file = json_object_new_object();

	json_add_str(args, backend_block.key, node);
	json_add_str(args, "driver", vm_def_disk_format_names[format]);
	json_add_bool(args, "read-only", true);
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", path);
	json_object_object_add(args, "file", file);
	return args;
}

/* On i440fx the two channels are the buses ide.0 and ide.1; on q35 each port is a bus. */
static void add_unit(struct plug *plug, const struct vm_def_cdrom *cdrom)
{
	bool is_ide = cdrom->bus == VM_DEF_CDROM_BUS_IDE;
	char bus[16];

	snprintf(bus, sizeof(bus), "ide.%u", (unsigned)(is_ide ? cdrom->unit / 2 : cdrom->unit));
	json_add_str(plug->device_args, "bus", bus);
	json_add_uint(plug->device_args, "unit", is_ide ? cdrom->unit % 2 : 0);
}

static void add_controller(struct plug *plug, const struct vm_def_cdrom *cdrom)
{
	char id[VM_DEF_ID_SIZE + 24], bus[sizeof(id) + 4];

	snprintf(id, sizeof(id), VM_DEF_OWN_PREFIX "%s-scsi", cdrom->id);
	snprintf(bus, sizeof(bus), "%s.0", id);
	plug->controller_args = json_object_new_object();
	json_add_str(plug->controller_args, "driver", "virtio-scsi-pci");
	json_add_str(plug->controller_args, "id", id);
	add_address(plug->controller_args, cdrom->pci_address);
	json_add_str(plug->device_args, "bus", bus);
}

static void plug_cdrom(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_cdrom *cdrom = &def->cdroms[index];
	bool is_scsi = cdrom->bus == VM_DEF_CDROM_BUS_SCSI;

	set_device(plug, is_scsi ? "scsi-cd" : "ide-cd", cdrom->id);
	if (is_scsi)
		add_controller(plug, cdrom);
	else
		add_unit(plug, cdrom);
	if (*cdrom->device_id)
		json_add_str(plug->device_args, "device_id", cdrom->device_id);
	if (cdrom->has_boot_index)
		json_add_uint(plug->device_args, "bootindex", cdrom->boot_index);
	if (!*cdrom->path)
		return;
	plug->backend = &backend_block;
	plug_medium_node(plug->backend_id, sizeof(plug->backend_id), cdrom->id, 0);
	plug->backend_args = plug_medium(plug->backend_id, cdrom->path, cdrom->format);
	json_add_str(plug->device_args, "drive", plug->backend_id);
}

static void plug_nic(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_nic *nic = &def->nics[index];

	set_backend(plug, &backend_net, nic->id, "net");
	json_add_str(plug->backend_args, "type",
		     nic->type == VM_DEF_NIC_TYPE_USER ? "user" : "tap");
	if (nic->type == VM_DEF_NIC_TYPE_TAP) {
		json_add_str(plug->backend_args, "ifname", nic->ifname);
		json_add_str(plug->backend_args, "script", "no");
		json_add_str(plug->backend_args, "downscript", "no");
	} else if (nic->type == VM_DEF_NIC_TYPE_MACVTAP) {
		json_add_str(plug->backend_args, "fd", PLUG_FD_UNKNOWN);
	}
	set_device(plug, "virtio-net-pci", nic->id);
	json_add_str(plug->device_args, "netdev", plug->backend_id);
	json_add_str(plug->device_args, "mac", nic->mac);
	add_address(plug->device_args, nic->pci_address);
}

static void plug_shared_memory(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_shared_memory *shm = &def->shared_memory[index];

	set_backend(plug, &backend_object, shm->id, "mem");
	json_add_str(plug->backend_args, "qom-type", "memory-backend-file");
	json_add_str(plug->backend_args, "mem-path", shm->path);
	json_add_uint(plug->backend_args, "size", shm->size_mib * MIB);
	json_add_bool(plug->backend_args, "share", true);

	set_device(plug, "ivshmem-plain", shm->id);
	json_add_str(plug->device_args, "memdev", plug->backend_id);
	json_add_str(plug->device_args, "master", "on");
	add_address(plug->device_args, shm->pci_address);
}

static void plug_memory(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_memory_device *memory = &def->memory_devices[index];

	set_backend(plug, &backend_object, memory->id, "mem");
	memory_fill(plug->backend_args, def, memory->size_mib, def->memory_backend.host_nodes);

	set_device(plug, "pc-dimm", memory->id);
	json_add_str(plug->device_args, "memdev", plug->backend_id);
	if (memory->has_slot)
		json_add_uint(plug->device_args, "slot", memory->slot);
	if (memory->has_address)
		json_add_uint(plug->device_args, "addr", memory->address);
}

/* vCPUs are the cores of one socket (cmdline/cmdline.c).  The features in `cpu_model'
 * hold for every CPU of the type, so only the type is named here. */
static void plug_vcpu(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_vcpu_device *vcpu = &def->vcpu_devices[index];
	CLEANUP(free_charp)
	char *driver =
		xasprintf("%.*s-x86_64-cpu", (int)strcspn(def->cpu_model, ","), def->cpu_model);

	set_device(plug, driver, vcpu->id);
	json_add_uint(plug->device_args, "socket-id", 0);
	json_add_uint(plug->device_args, "core-id", vcpu->index);
	json_add_uint(plug->device_args, "thread-id", 0);
}

static void plug_generic(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_any_device *any = &def->devices[index];
	CLEANUP(json_putp)
	struct json_object *properties = json_read_back(*any->properties ? any->properties : "{}");

	set_device(plug, any->driver, any->id);
	json_object_object_foreach(properties, key, value)
		json_object_object_add(plug->device_args, key, json_object_get(value));
	add_address(plug->device_args, any->pci_address);
}

static void plug_vsock(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_vsock *vsock = &def->vsocks[index];

	set_device(plug, "vhost-vsock-pci", vsock->id);
	json_add_uint(plug->device_args, "guest-cid", vsock->cid);
	add_address(plug->device_args, vsock->pci_address);
}

static const char *const video_drivers[] = {
	[VM_DEF_VIDEO_MODEL_VGA] = "VGA",
	[VM_DEF_VIDEO_MODEL_BOCHS] = "bochs-display",
	[VM_DEF_VIDEO_MODEL_CIRRUS] = "cirrus-vga",
	[VM_DEF_VIDEO_MODEL_VIRTIO] = "virtio-vga",
};

static void plug_video(struct plug *plug, const struct vm_def *def, size_t index)
{
	const struct vm_def_video *video = &def->videos[index];

	set_device(plug, video_drivers[video->model], video->id);
	add_address(plug->device_args, video->pci_address);
}

static void (*const kinds[VM_DEF_KIND_COUNT])(struct plug *plug, const struct vm_def *def,
					      size_t index) = {
	[VM_DEF_KIND_DISK] = plug_disk,
	[VM_DEF_KIND_NIC] = plug_nic,
	[VM_DEF_KIND_SHARED_MEMORY] = plug_shared_memory,
	[VM_DEF_KIND_MEMORY] = plug_memory,
	[VM_DEF_KIND_VCPU] = plug_vcpu,
	[VM_DEF_KIND_GENERIC] = plug_generic,
	[VM_DEF_KIND_CDROM] = plug_cdrom,
	[VM_DEF_KIND_VSOCK] = plug_vsock,
	[VM_DEF_KIND_VIDEO] = plug_video,
};

void plug_init(struct plug *plug, const struct vm_def *def, struct vm_def_device dev)
{
	*plug = (struct plug){ 0 };
	kinds[dev.kind](plug, def, dev.index);
}

void plug_init_medium(struct plug *plug, const char *node)
{
	*plug = (struct plug){ .backend = &backend_block };
	snprintf(plug->backend_id, sizeof(plug->backend_id), "%s", node);
}

void plug_fini(struct plug *plug)
{
	json_object_put(plug->controller_args);
	json_object_put(plug->backend_args);
	json_object_put(plug->device_args);
}

struct json_object *plug_backend_del_args(const struct plug *plug)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, plug->backend->key, plug->backend_id);
	return args;
}
