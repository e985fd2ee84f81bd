/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def.h"

#include <stdio.h>
#include <string.h>

#include "wire/labels.h"
#include "wire/vm_def_check.h"
#include "wire/vm_def_memory.h"
#include "wire/vm_edit.h"

const char *const vm_def_accel_names[] = { "kvm", "tcg", NULL };
const char *const vm_def_disk_format_names[] = { "raw", "qcow2", NULL };
const char *const vm_def_disk_cache_names[] = { "writeback", "none", "writethrough", "unsafe",
						NULL };
const char *const vm_def_cdrom_bus_names[] = { "ide", "sata", "scsi", NULL };
const char *const vm_def_tray_names[] = { "closed", "open", NULL };
const char *const vm_def_nic_type_names[] = { "user", "tap", "macvtap", NULL };
const char *const vm_def_serial_type_names[] = { "none", "file", "socket", "console", NULL };
static const char *const clock_after_move_names[] = { "set", "keep", NULL };
static const char *const graphics_type_names[] = { "none", "vnc", NULL };
static const char *const video_model_names[] = { "vga", "bochs", "cirrus", "virtio", NULL };
const char *const vm_def_monitor_protocol_names[] = { "qmp", "hmp", NULL };
static const char *const monitor_type_names[] = { "unix", "tcp", "stdio", NULL };
const char *const vm_def_reboot_names[] = { "reset", "shutdown", NULL };
const char *const vm_def_shutdown_names[] = { "poweroff", "pause", NULL };
const char *const vm_def_panic_names[] = { "shutdown", "pause", "exit-failure", "none", NULL };
const char *const vm_def_watchdog_names[] = { "reset", "shutdown", "poweroff",   "pause",
					      "debug", "none",     "inject-nmi", NULL };

const char *const vm_def_tpm_model_names[] = { "none", "tpm-crb", "tpm-tis", NULL };

#define ID_PATTERN   "^[A-Za-z][A-Za-z0-9._-]{0,23}$"
#define PCI_PATTERN  "^(0x([1-9a-f]|1[0-9a-f])|port([1-9]|[12][0-9]|3[0-2]))$"
#define PATH_PATTERN "^/[^\\u0000-\\u001f\\u007f]*$"

#define ID_FIELD(owner)                                                                     \
	{                                                                                   \
		.key = "id", .type = JSON_STRING, .required = true, JSON_MEMBER(owner, id), \
		.check = vm_def_check_id, .pattern = ID_PATTERN,                            \
		.help = "Unique among the devices of this VM; QEMU's device id.",           \
	}
#define PCI_FIELD(owner)                                                                    \
	{                                                                                   \
		.key = "pci_address", .type = JSON_STRING, JSON_MEMBER(owner, pci_address), \
		.check = vm_def_check_pci_address, .pattern = PCI_PATTERN,                  \
		.help = "Slot on the root PCI bus, such as 0x4, or hot-plug port, such as " \
			"port1; default: the lowest free slot, pinned when the VM is "      \
			"created, or the lowest free port for what is plugged in later.",   \
	}

const struct json_field vm_def_disk_fields[] = {
	ID_FIELD(struct vm_def_disk),
	{ .key = "path",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_disk, path),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of the image or block device." },
	{ .key = "format",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_disk, format),
	  .names = vm_def_disk_format_names,
	  .help = "Image format; never guessed, because a guest could forge it." },
	{ .key = "readonly",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def_disk, readonly),
	  .help = "The guest cannot write; default: false." },
	{ .key = "shared",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def_disk, shared),
	  .help = "Both hosts of a move see the same storage at this path; default: false." },
	{ .key = "shared_base",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def_disk, shared_base),
	  .help = "Of a local qcow2 image: both hosts of a move have its backing file, so that "
		  "only the image itself is copied; default: false." },
	{ .key = "boot_index",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_disk, has_boot_index),
	  JSON_MEMBER(struct vm_def_disk, boot_index),
	  .max = 1023,
	  .help = "Order in which the firmware tries disks and CD drives, lowest first; default: "
		  "none." },
	{ .key = "cache",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_disk, cache),
	  .names = vm_def_disk_cache_names,
	  .help = "QEMU's cache mode; default: writeback." },
	PCI_FIELD(struct vm_def_disk),
	{ 0 },
};

const struct json_field vm_def_nic_fields[] = {
	ID_FIELD(struct vm_def_nic),
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_nic, type),
	  .names = vm_def_nic_type_names,
	  .help = "user: QEMU's own NAT; tap, macvtap: the host's interface `ifname'." },
	{ .key = "ifname",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_nic, ifname),
	  .check = vm_def_check_ifname,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
	  .help = "Name of the interface, which must be there, and a tap up; required for tap and "
		  "macvtap, for no other." },
	{ .key = "bridge",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_nic, bridge),
	  .check = vm_def_check_ifname,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
	  .help = "Bridge of which the tap must be a port on every host, looked at before the "
		  "guest runs; only for type tap; default: not looked at." },
	{ .key = "mac",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_nic, mac),
	  .check = vm_def_check_mac,
	  .pattern = "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$",
	  .help = "Unicast MAC address; default: derived from the VM's uuid and this id." },
	{ .key = "rx_filter",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def_nic, rx_filter),
	  .help = "The guest is trusted to choose its addresses: the macvtap, or the bridge of the "
		  "tap, follows what it wants to receive; default: false." },
	PCI_FIELD(struct vm_def_nic),
	{ 0 },
};

static const struct json_field serial_fields[] = {
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_serial, type),
	  .names = vm_def_serial_type_names,
	  .help = "file: output is appended to `path'; socket: QEMU connects, as client, to the "
		  "UNIX socket `path', where a console collector listens; console: users open it "
		  "with "
		  "`migrctl vm console', one at a time." },
	{ .key = "path",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_serial, path),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path; for a socket at most 107 bytes." },
	{ 0 },
};

static const struct json_field graphics_fields[] = {
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_graphics, type),
	  .names = graphics_type_names,
	  .help = "vnc: users open the display with `migrctl vm vnc', or by a WebSocket; none: as "
		  "without `graphics'." },
	{ 0 },
};

static const struct json_field action_fields[] = {
	{ .key = "reboot",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_actions, reboot),
	  .names = vm_def_reboot_names,
	  .help = "The guest resets itself: it starts anew (reset, the default), or its QEMU "
		  "ends (shutdown)." },
	{ .key = "shutdown",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_actions, shutdown),
	  .names = vm_def_shutdown_names,
	  .help = "The guest powers itself off: its QEMU ends (poweroff, the default), or "
		  "stays to be looked at (pause)." },
	{ .key = "panic",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_actions, panic),
	  .names = vm_def_panic_names,
	  .help = "The guest says, by a pvpanic device, that its kernel panicked: its QEMU ends "
		  "(shutdown, the default; exit-failure), stands still to be looked at (pause), "
		  "or nothing is done (none)." },
	{ .key = "watchdog",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_actions, watchdog),
	  .names = vm_def_watchdog_names,
	  .help = "The guest's watchdog device fires: it is reset (the default), asked to shut "
		  "down (shutdown), ended (poweroff), stopped (pause), told by an interrupt "
		  "(inject-nmi), or nothing is done (debug, none)." },
	{ 0 },
};

static const struct json_field firmware_fields[] = {
	{ .key = "code",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_firmware, code),
	  .min = 1,
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of the image with the firmware's code, raw, which is only read; "
		  "another host may have the same content at another path (firmware_map of "
		  "[storage])." },
	{ .key = "vars",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_firmware, vars.path),
	  .min = 1,
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of the image with this guest's variables, raw; a move copies it "
		  "as "
		  "it copies a local disk." },
	{ .key = "vars_template",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_firmware, vars_template),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of an image of which a start makes `vars' if that is not there; "
		  "default: it must be there." },
	{ 0 },
};

static const struct json_field tpm_fields[] = {
	{ .key = "model",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_tpm, model),
	  .names = vm_def_tpm_model_names,
	  .help = "The device that the guest sees; none: as without `tpm'." },
	{ 0 },
};

static const struct json_field shared_memory_fields[] = {
	ID_FIELD(struct vm_def_shared_memory),
	{ .key = "path",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_shared_memory, path),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of the file that holds the memory." },
	{ .key = "size_mib",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct vm_def_shared_memory, size_mib),
	  .min = 1,
	  .max = 1 << 20,
	  .help = "Size in MiB, a power of two." },
	PCI_FIELD(struct vm_def_shared_memory),
	{ 0 },
};

static const struct json_field monitor_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_monitor, id),
	  .check = vm_def_check_id,
	  .pattern = ID_PATTERN,
	  .help = "Unique among the monitors of this VM; QEMU's chardev is monitor-ID." },
	{ .key = "protocol",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_monitor, protocol),
	  .names = vm_def_monitor_protocol_names,
	  .help = "qmp: for machines; hmp: for people." },
	{ .key = "type",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_monitor, type),
	  .names = monitor_type_names,
	  .help = "unix: a socket at `path'; tcp: `port' of 127.0.0.1, open to every user of the "
		  "host; stdio: a pseudo-terminal, which `info chardev' names." },
	{ .key = "path",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_monitor, path),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path, at most 107 bytes; required for type unix, for no other." },
	{ .key = "port",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def_monitor, port),
	  .min = 1,
	  .max = 65535,
	  .help = "Required for type tcp, for no other." },
	{ 0 },
};

static const struct json_field memory_device_fields[] = {
	ID_FIELD(struct vm_def_memory_device),
	{ .key = "size_mib",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct vm_def_memory_device, size_mib),
	  .min = 1,
	  .max = 1 << 24,
	  .help = "Size in MiB; guests want whole blocks, for Linux of 128 MiB." },
	{ .key = "slot",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_memory_device, has_slot),
	  JSON_MEMBER(struct vm_def_memory_device, slot),
	  .max = VM_DEF_MEMORY_DEVICE_MAX - 1,
	  .help = "Number of the slot, below `memory_slots'; default: the lowest free one." },
	{ .key = "address",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_memory_device, has_address),
	  JSON_MEMBER(struct vm_def_memory_device, address),
	  .help = "Guest-physical address in bytes; default: QEMU chooses." },
	{ 0 },
};

static const struct json_field vcpu_device_fields[] = {
	ID_FIELD(struct vm_def_vcpu_device),
	{ .key = "index",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_vcpu_device, has_index),
	  JSON_MEMBER(struct vm_def_vcpu_device, index),
	  .min = 1,
	  .max = 1023,
	  .help = "Number of the CPU, from `vcpus' to `max_vcpus' less 1; default: the lowest free "
		  "one." },
	{ 0 },
};

static const struct json_field any_device_fields[] = {
	ID_FIELD(struct vm_def_any_device),
	{ .key = "driver",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def_any_device, driver),
	  .check = vm_def_check_driver,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$",
	  .help = "QEMU's name of the device, such as virtio-rng-pci." },
	{ .key = "properties",
	  .type = JSON_SCALARS,
	  JSON_MEMBER(struct vm_def_any_device, properties),
	  .help = "The device's properties, as QEMU's device_add has them." },
	{ .key = "pci_address",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_any_device, pci_address),
	  .check = vm_def_check_pci_address,
	  .pattern = PCI_PATTERN,
	  .help = "Of a PCI device: as of a disk; it should have one, so that it has the same "
		  "on every host. What is plugged into a running VM is given one." },
	{ 0 },
};

const struct json_field vm_def_cdrom_fields[] = {
	ID_FIELD(struct vm_def_cdrom),
	{ .key = "bus",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_cdrom, bus),
	  .names = vm_def_cdrom_bus_names,
	  .help = "ide: the controller of a pc-i440fx machine; sata: of a pc-q35 machine; scsi: a "
		  "virtio-scsi controller of its own." },
	{ .key = "unit",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_cdrom, has_unit),
	  JSON_MEMBER(struct vm_def_cdrom, unit),
	  .max = 5,
	  .help = "Of bus ide (0 to 3) and sata (0 to 5): where it is connected; default: the "
		  "lowest free one." },
	{ .key = "path",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_cdrom, path),
	  .check = vm_def_check_path,
	  .pattern = PATH_PATTERN,
	  .help = "Absolute path of the medium's image; default: the drive is empty." },
	{ .key = "format",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_cdrom, format),
	  .names = vm_def_disk_format_names,
	  .help = "Image format of the medium; default: raw, as an ISO image is." },
	{ .key = "tray",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def_cdrom, tray),
	  .names = vm_def_tray_names,
	  .help = "Follows the drive while the VM runs; a start closes it." },
	{ .key = "boot_index",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def_cdrom, has_boot_index),
	  JSON_MEMBER(struct vm_def_cdrom, boot_index),
	  .max = 1023,
	  .help = "Order in which the firmware tries disks and CD drives, lowest first; default: "
		  "none." },
	{ .key = "pci_address",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_cdrom, pci_address),
	  .check = vm_def_check_pci_address,
	  .pattern = PCI_PATTERN,
	  .help = "Of the controller of bus scsi: as of a disk." },
	{ .key = "device_id",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def_cdrom, device_id),
	  .check = vm_def_check_device_id,
	  .pattern = "^[A-Za-z0-9._:/-]{0,63}$",
	  .help = "Of bus scsi: what the drive calls itself to the guest (page 0x83 of its vital "
		  "product data); default: nothing." },
	{ 0 },
};

/* 0 to 2 are the host's own, the last number means any (linux/vm_sockets.h). */
#define CID_MIN 3
#define CID_MAX (UINT32_MAX - 1)

static const struct json_field vsock_fields[] = {
	ID_FIELD(struct vm_def_vsock),
	{ .key = "cid",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct vm_def_vsock, cid),
	  .min = CID_MIN,
	  .max = CID_MAX,
	  .help = "The guest's address (context id); no other guest of the host may have it, and "
		  "it stays the same in a move." },
	PCI_FIELD(struct vm_def_vsock),
	{ 0 },
};

static const struct json_field video_fields[] = {
	ID_FIELD(struct vm_def_video),
	{ .key = "model",
	  .type = JSON_ENUM,
	  .required = true,
	  JSON_MEMBER(struct vm_def_video, model),
	  .names = video_model_names,
	  .help = "vga: the standard one, which every guest knows; bochs: the same without its "
		  "old registers, for UEFI; cirrus: for very old guests; virtio: virtio-vga." },
	PCI_FIELD(struct vm_def_video),
	{ 0 },
};

const struct json_field vm_def_fields[] = {
	{ .key = "name",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def, name),
	  .check = vm_def_check_name,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
	  .help = "Unique on the host." },
	{ .key = "uuid",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def, uuid),
	  .check = vm_def_check_uuid,
	  .pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
	  .help = "Identity of the VM on every host; default: a new one." },
	{ .key = "machine",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct vm_def, machine),
	  .check = vm_def_check_machine,
	  .pattern = "^[a-z0-9]+(-[A-Za-z0-9._]+)+$",
	  .help = "Versioned machine type of QEMU, such as pc-q35-7.2; an alias such as q35 names "
		  "another machine on another QEMU." },
	{ .key = "machine_options",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def, machine_options),
	  .check = vm_def_check_machine_options,
	  .pattern = "^([a-z][a-z0-9.-]*=[A-Za-z0-9._-]+(,[a-z][a-z0-9.-]*=[A-Za-z0-9._-]+)*)?$",
	  .help = "Options of the machine type, such as usb=on,hpet=off; default: its own." },
	{ .key = "accel",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def, accel),
	  .names = vm_def_accel_names,
	  .help = "Accelerator: kvm (the default), or tcg, QEMU's emulation." },
	{ .key = "cpu_model",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def, cpu_model),
	  .min = 1,
	  .check = vm_def_check_cpu_model,
	  .pattern = "^[A-Za-z0-9][A-Za-z0-9._+=,:-]*$",
	  .help = "CPU model of QEMU with its features, such as Haswell,-hle; default: qemu64." },
	{ .key = "memory_mib",
	  .type = JSON_UINT,
	  .required = true,
	  JSON_MEMBER(struct vm_def, memory_mib),
	  .min = 1,
	  .max = 1 << 24,
	  .help = "Guest memory in MiB." },
	{ .key = "memory_backend",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, memory_backend),
	  .fields = vm_def_memory_backend_fields,
	  .help = "What holds the guest's memory on the host; default: anonymous memory." },
	{ .key = "numa_nodes",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, numa_nodes, numa_node_count),
	  .fields = vm_def_numa_node_fields,
	  .help = "NUMA nodes that the guest sees; memory devices are in the first. Default: the "
		  "guest sees none." },
	{ .key = "memory_share",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def, memory_share),
	  .help = "Guest memory is shared (share=on), and what QEMU adds to it too where it can be "
		  "(aux-ram-share, since 10.0): another QEMU of the host could go on with it. A "
		  "move then fills all of it on both hosts. Default: false." },
	{ .key = "memory_slots",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def, memory_slots),
	  .max = VM_DEF_MEMORY_DEVICE_MAX,
	  .help = "Most memory devices that there can be, also while the VM runs; default: 0." },
	{ .key = "max_memory_mib",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def, max_memory_mib),
	  .max = 1 << 24,
	  .help = "Guest memory with all memory devices, in MiB; wanted with memory_slots." },
	{ .key = "vcpus",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def, vcpus),
	  .min = 1,
	  .max = 1024,
	  .help = "Number of virtual CPUs; default: 1." },
	{ .key = "max_vcpus",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def, max_vcpus),
	  .max = 1024,
	  .help = "Number with those of vcpu_devices, also while the VM runs; default: vcpus." },
	{ .key = "hotplug_ports",
	  .type = JSON_UINT,
	  .present_offset = offsetof(struct vm_def, has_hotplug_ports),
	  JSON_MEMBER(struct vm_def, hotplug_ports),
	  .max = VM_DEF_HOTPLUG_PORT_MAX,
	  .help = "Of a q35 machine, whose root bus takes no device while the VM runs: how many "
		  "PCI devices can be plugged in; default: 4. They take slots 0x1d and below, "
		  "8 in each." },
	{ .key = "disks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, disks, disk_count),
	  .fields = vm_def_disk_fields,
	  .help = "virtio block devices." },
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, nics, nic_count),
	  .fields = vm_def_nic_fields,
	  .help = "virtio network interfaces." },
	{ .key = "serial",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, serial),
	  .fields = serial_fields,
	  .help = "The first serial port; default: type none." },
	{ .key = "guest_agent",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def, guest_agent),
	  .help = "Gives the guest a channel for the QEMU guest agent, in PCI slot 0x1e; "
		  "default: false." },
	{ .key = "clock_after_move",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct vm_def, clock_after_move),
	  .names = clock_after_move_names,
	  .help = "set (the default): a guest agent sets the guest's clock after a move, by the "
		  "time that it stood still; keep: it is the guest's own affair." },
	{ .key = "actions",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, actions),
	  .fields = action_fields,
	  .help = "Actions when the guest reboots, powers off, panics, or hangs." },
	{ .key = "firmware",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, firmware),
	  .fields = firmware_fields,
	  .help = "UEFI firmware in flash memory; default: the machine's own firmware, without "
		  "variables." },
	{ .key = "tpm",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, tpm),
	  .fields = tpm_fields,
	  .help = "A TPM 2.0 of this guest's own, emulated by swtpm; its state is kept below the "
		  "host's tpm directory and travels with the guest; default: none." },
	{ .key = "shared_memory",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, shared_memory, shared_memory_count),
	  .fields = shared_memory_fields,
	  .help = "Memory shared with other programs of the host (ivshmem-plain)." },
	{ .key = "monitors",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, monitors, monitor_count),
	  .fields = monitor_fields,
	  .help = "More monitors, for tools of your own: what is done there is not guarded by "
		  "migrd." },
	{ .key = "memory_devices",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, memory_devices, memory_device_count),
	  .fields = memory_device_fields,
	  .help = "Memory beside memory_mib (pc-dimm)." },
	{ .key = "vcpu_devices",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, vcpu_devices, vcpu_device_count),
	  .fields = vcpu_device_fields,
	  .help = "Virtual CPUs beside the first `vcpus', which can be removed again." },
	{ .key = "devices",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, devices, device_count),
	  .fields = any_device_fields,
	  .help = "Devices that have no member of their own." },
	{ .key = "cdroms",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, cdroms, cdrom_count),
	  .fields = vm_def_cdrom_fields,
	  .help = "CD drives, empty or with a medium, which can be changed while the VM runs." },
	{ .key = "vsocks",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, vsocks, vsock_count),
	  .fields = vsock_fields,
	  .help = "Sockets between guest and host (vhost-vsock-pci), at most one; the host needs "
		  "/dev/vhost-vsock." },
	{ .key = "videos",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct vm_def, videos, video_count),
	  .fields = video_fields,
	  .help = "Display adapters, at most one." },
	{ .key = "graphics",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, graphics),
	  .fields = graphics_fields,
	  .help = "How users see the display and type at it; default: type none." },
	{ .key = "extra_args",
	  .type = JSON_STRINGS,
	  JSON_MEMBERS(struct vm_def, extra_args, extra_arg_count),
	  .check = vm_def_check_extra_arg,
	  .help = "Arguments added to QEMU's command line as they are; options that have a field "
		  "here or that migrd sets itself are refused." },
	{ .key = "labels",
	  .type = JSON_SCALARS,
	  JSON_MEMBER(struct vm_def, labels),
	  .pattern = LABEL_VALUE_PATTERN,
	  .help = "At most 32 labels, strings with the syntax of Kubernetes' labels, by which "
		  "policies of moves are chosen; default: none." },
	{ .key = "policy",
	  .type = JSON_STRING,
	  JSON_MEMBER(struct vm_def, policy),
	  .check = vm_def_check_policy,
	  .pattern = "^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$",
	  .help = "Name of the policy of its moves, unless a move says another; default: that of "
		  "its labels." },
	{ .key = "placement",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, placement),
	  .fields = placement_fields,
	  .help = "Where it may be, which plans keep to; default: anywhere." },
	{ .key = "autostart",
	  .type = JSON_BOOL,
	  JSON_MEMBER(struct vm_def, autostart),
	  .help = "It is started after a boot of its host; default: false." },
	{ .key = "autostart_order",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct vm_def, autostart_order),
	  .max = 1000000,
	  .help = "VMs with autostart are begun with the lowest first; default: 0." },
	{ .key = "next",
	  .type = JSON_OBJECT,
	  JSON_MEMBER(struct vm_def, next),
	  .fields = vm_edit_fields,
	  .help = "What an edit of the running guest changes when its QEMU is started next; "
		  "default: nothing." },
	{ 0 },
};

const char *const vm_def_about_keys[] = { "labels",          "policy", "placement", "autostart",
					  "autostart_order", "next",   NULL };

static void check_labels(struct vm_def *def, struct faults *faults)
{
	struct json_object *labels = def->labels[0] ? json_read_back(def->labels) : NULL;

	if (labels && labels_check(labels, "/labels", false, faults) &&
	    json_object_object_length(labels) == 0)
		def->labels[0] = '\0';
	json_object_put(labels);
}

bool vm_def_decode(struct json_object *obj, struct vm_def *ret, struct faults *faults)
{
	size_t first = faults->count;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->cpu_model, sizeof(ret->cpu_model), "qemu64");
	ret->vcpus = 1;
	json_decode(obj, vm_def_fields, ret, "", faults);
	if (vm_def_has_firmware(ret))
		snprintf(ret->firmware.vars.id, sizeof(ret->firmware.vars.id), "%s",
			 VM_DEF_VARS_ID);
	check_labels(ret, faults);
	placement_check(&ret->placement, "/placement", faults);
	vm_def_check_across(ret, faults, first);
	return faults->count == first;
}

struct json_object *vm_def_encode(const struct vm_def *def)
{
	struct json_object *obj = json_encode(vm_def_fields, def);

	/* What is required within an object is written out, too, where the object is not there. */
	if (def->serial.type == VM_DEF_SERIAL_TYPE_NONE)
		json_object_object_del(obj, "serial");
	if (def->graphics.type == VM_DEF_GRAPHICS_TYPE_NONE)
		json_object_object_del(obj, "graphics");
	if (!vm_def_has_firmware(def))
		json_object_object_del(obj, "firmware");
	if (!vm_def_has_tpm(def))
		json_object_object_del(obj, "tpm");
	return obj;
}

const struct vm_def_disk *vm_def_local_image(const struct vm_def *def, size_t number)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		if (vm_def_disk_is_local(&def->disks[i]) && number-- == 0)
			return &def->disks[i];
	}
	return vm_def_has_firmware(def) && number == 0 ? &def->firmware.vars : NULL;
}
