/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def.h -- a VM definition: JSON in, struct, JSON out.
 *
 * The definition is what a user posts, what the store keeps, and what travels
 * to the destination of a move, which must build the very same machine.
 * vm_def_normalize() therefore pins what QEMU would otherwise choose by itself.
 *
 * A struct vm_def holds no pointers and may be copied; it is large (about
 * 180 KiB): keep it on the heap.  Thread: any.
 */
#ifndef MIGRD_WIRE_VM_DEF_H
#define MIGRD_WIRE_VM_DEF_H

#include <net/if.h>

#include "base/id.h"
#include "base/json.h"
#include "wire/labels.h"
#include "wire/placement.h"

/* QEMU limits node names to 31 bytes: an id leaves room for a suffix. */
#define VM_DEF_ID_SIZE         25
#define VM_DEF_PATH_SIZE       1024
#define VM_DEF_ARG_SIZE        1024
#define VM_DEF_PCI_SIZE        8
#define VM_DEF_DRIVER_SIZE     64
#define VM_DEF_DEVICE_ID_SIZE  64
#define VM_DEF_PROPERTIES_SIZE 1024
#define VM_DEF_MAC_SIZE        18
#define VM_DEF_CPU_MODEL_SIZE  512

#define VM_DEF_DISK_MAX          16
#define VM_DEF_IMAGE_MAX         (VM_DEF_DISK_MAX + 1) /* and the firmware's variables */
#define VM_DEF_NIC_MAX           8
#define VM_DEF_SHARED_MEMORY_MAX 4
#define VM_DEF_MONITOR_MAX       4
#define VM_DEF_MEMORY_DEVICE_MAX 32
#define VM_DEF_VCPU_DEVICE_MAX   256
#define VM_DEF_DEVICE_MAX        16
#define VM_DEF_CDROM_MAX         6
#define VM_DEF_VSOCK_MAX         1 /* a guest has one CID */
#define VM_DEF_VIDEO_MAX         1
#define VM_DEF_EXTRA_ARG_MAX     64
#define VM_DEF_NUMA_NODE_MAX     16
#define VM_DEF_NUMBERS_SIZE      128 /* of a list such as "0-3,8" */

/* PCI slot of the guest agent's virtio-serial controller; no device of the
 * definition may have it while guest_agent is set. */
#define VM_DEF_GUEST_AGENT_SLOT 0x1e

/* The root bus of q35 takes no device while the guest runs, so the machine gets
 * hot-plug ports: eight in this slot, and eight in each slot below that is needed. */
#define VM_DEF_PORT_SLOT        0x1d
#define VM_DEF_PORTS_PER_SLOT   8
#define VM_DEF_HOTPLUG_PORTS    4 /* unless the definition says */
#define VM_DEF_HOTPLUG_PORT_MAX 32
/* Memory window that the firmware keeps free behind each port; a device with a
 * larger window cannot be plugged in there. */
#define VM_DEF_PORT_RESERVE_MIB 64
/* Stands for the image of the firmware's variables where images of disks have their disk's id; no
 * disk may have it beside firmware. */
#define VM_DEF_VARS_ID "firmware-vars"
/* QEMU's default for all images of firmware together (max-fw-size, hw/i386/pc.h). */
#define VM_DEF_FIRMWARE_BYTES_MAX (8 << 20)
/* The QEMU ids of what migrd itself adds begin with this; no id of a definition may. */
#define VM_DEF_OWN_PREFIX "migrd-"

/* The zero of each enum is its default.  Members are int: the JSON table
 * writes them through an int pointer. */
enum vm_def_accel { VM_DEF_ACCEL_KVM, VM_DEF_ACCEL_TCG };
enum vm_def_disk_format { VM_DEF_DISK_FORMAT_RAW, VM_DEF_DISK_FORMAT_QCOW2 };
enum vm_def_disk_cache {
	VM_DEF_DISK_CACHE_WRITEBACK,
	VM_DEF_DISK_CACHE_NONE,
	VM_DEF_DISK_CACHE_WRITETHROUGH,
	VM_DEF_DISK_CACHE_UNSAFE,
};
enum vm_def_cdrom_bus {
	VM_DEF_CDROM_BUS_IDE,  /* pc-i440fx only: two channels of two units */
	VM_DEF_CDROM_BUS_SATA, /* pc-q35 only: six ports */
	VM_DEF_CDROM_BUS_SCSI, /* on a virtio-scsi controller of its own */
};
enum vm_def_tray { VM_DEF_TRAY_CLOSED, VM_DEF_TRAY_OPEN };
enum vm_def_nic_type { VM_DEF_NIC_TYPE_USER, VM_DEF_NIC_TYPE_TAP, VM_DEF_NIC_TYPE_MACVTAP };
enum vm_def_clock_after_move { VM_DEF_CLOCK_AFTER_MOVE_SET, VM_DEF_CLOCK_AFTER_MOVE_KEEP };
enum vm_def_serial_type {
	VM_DEF_SERIAL_TYPE_NONE,
	VM_DEF_SERIAL_TYPE_FILE,
	VM_DEF_SERIAL_TYPE_SOCKET,
	VM_DEF_SERIAL_TYPE_CONSOLE,
};
enum vm_def_graphics_type { VM_DEF_GRAPHICS_TYPE_NONE, VM_DEF_GRAPHICS_TYPE_VNC };
/* What QEMU 7.2, 10.0 and 11.1 all have in Debian's packages. */
enum vm_def_video_model {
	VM_DEF_VIDEO_MODEL_VGA,
	VM_DEF_VIDEO_MODEL_BOCHS,
	VM_DEF_VIDEO_MODEL_CIRRUS,
	VM_DEF_VIDEO_MODEL_VIRTIO,
};
enum vm_def_monitor_protocol { VM_DEF_MONITOR_PROTOCOL_QMP, VM_DEF_MONITOR_PROTOCOL_HMP };
enum vm_def_monitor_type {
	VM_DEF_MONITOR_TYPE_UNIX,
	VM_DEF_MONITOR_TYPE_TCP,
	VM_DEF_MONITOR_TYPE_STDIO,
};
/* QEMU's words for -action (qapi/run-state.json), its defaults first. */
enum vm_def_reboot { VM_DEF_REBOOT_RESET, VM_DEF_REBOOT_SHUTDOWN };
enum vm_def_shutdown { VM_DEF_SHUTDOWN_POWEROFF, VM_DEF_SHUTDOWN_PAUSE };
enum vm_def_panic {
	VM_DEF_PANIC_SHUTDOWN,
	VM_DEF_PANIC_PAUSE,
	VM_DEF_PANIC_EXIT_FAILURE,
	VM_DEF_PANIC_NONE,
};
enum vm_def_watchdog {
	VM_DEF_WATCHDOG_RESET,
	VM_DEF_WATCHDOG_SHUTDOWN,
	VM_DEF_WATCHDOG_POWEROFF,
	VM_DEF_WATCHDOG_PAUSE,
	VM_DEF_WATCHDOG_DEBUG,
	VM_DEF_WATCHDOG_NONE,
	VM_DEF_WATCHDOG_INJECT_NMI,
};

/* The words of the definition, which the command line uses too; ended by NULL. */
extern const char *const vm_def_accel_names[];
extern const char *const vm_def_disk_format_names[];
extern const char *const vm_def_disk_cache_names[];
extern const char *const vm_def_cdrom_bus_names[];
extern const char *const vm_def_tray_names[];
extern const char *const vm_def_nic_type_names[];
extern const char *const vm_def_serial_type_names[];
extern const char *const vm_def_monitor_protocol_names[];
extern const char *const vm_def_reboot_names[];
extern const char *const vm_def_shutdown_names[];
extern const char *const vm_def_panic_names[];
extern const char *const vm_def_watchdog_names[];

struct vm_def_disk {
	char id[VM_DEF_ID_SIZE];
	char path[VM_DEF_PATH_SIZE]; /* may contain ',' */
	int format;                  /* enum vm_def_disk_format */
	bool readonly;
	bool shared; /* both hosts see the same storage */
	bool shared_base; /* of a local disk: so of the image's backing file, which stays there */
	bool has_boot_index;
	uint64_t boot_index;
	int cache;                         /* enum vm_def_disk_cache */
	char pci_address[VM_DEF_PCI_SIZE]; /* "0x4", "port1"; "" until normalized */
};

/* UEFI firmware in flash memory. */
struct vm_def_firmware {
	char code[VM_DEF_PATH_SIZE]; /* read-only; "": the machine's own firmware, and no variables */
	char vars_template[VM_DEF_PATH_SIZE]; /* what the variables of a new VM are copied from; "" */
	/* The image of the variables, which the guest writes; its id is VM_DEF_VARS_ID. */
	struct vm_def_disk vars;
};

/* The zero: there is none. */
enum vm_def_tpm_model { VM_DEF_TPM_MODEL_NONE, VM_DEF_TPM_MODEL_CRB, VM_DEF_TPM_MODEL_TIS };
extern const char *const vm_def_tpm_model_names[]; /* QEMU's device, but for the first */
struct vm_def_tpm {
	int model; /* enum vm_def_tpm_model */
};

struct vm_def_nic {
	char id[VM_DEF_ID_SIZE];
	int type;                  /* enum vm_def_nic_type */
	char ifname[IF_NAMESIZE];  /* "" unless tap or macvtap */
	char bridge[IF_NAMESIZE];  /* the tap is a port of it; "": any or none */
	bool rx_filter;            /* the host follows what the guest wants to receive */
	char mac[VM_DEF_MAC_SIZE]; /* "" until normalized */
	char pci_address[VM_DEF_PCI_SIZE];
};

struct vm_def_serial {
	int type;                    /* enum vm_def_serial_type */
	char path[VM_DEF_PATH_SIZE]; /* "" if none */
};

struct vm_def_shared_memory {
	char id[VM_DEF_ID_SIZE];
	char path[VM_DEF_PATH_SIZE];
	uint64_t size_mib; /* a power of two */
	char pci_address[VM_DEF_PCI_SIZE];
};

/* An additional monitor of QEMU, for the operator's own tools. */
struct vm_def_monitor {
	char id[VM_DEF_ID_SIZE];
	int protocol;                /* enum vm_def_monitor_protocol */
	int type;                    /* enum vm_def_monitor_type */
	char path[VM_DEF_PATH_SIZE]; /* "" unless unix */
	uint64_t port;               /* on 127.0.0.1; 0 unless tcp */
};

/* QEMU's memory-backend-*. */
enum vm_def_memory_type {
	VM_DEF_MEMORY_TYPE_RAM,
	VM_DEF_MEMORY_TYPE_MEMFD,
	VM_DEF_MEMORY_TYPE_FILE,
};
extern const char *const vm_def_memory_type_names[];

/* What holds the guest's memory on the host.  The zero: what QEMU has without an option. */
struct vm_def_memory_backend {
	int type;                    /* enum vm_def_memory_type */
	uint64_t huge_page_mib;      /* 0: no huge pages */
	char path[VM_DEF_PATH_SIZE]; /* the directory of type file; "" of another */
	bool prealloc;
	char host_nodes[VM_DEF_NUMBERS_SIZE]; /* "0-1"; "": any */
};

/* A NUMA node that the guest sees; its number is its place in the list. */
struct vm_def_numa_node {
	uint64_t memory_mib;
	char cpus[VM_DEF_NUMBERS_SIZE]; /* "0-3,8"; "": none */
	char host_nodes[VM_DEF_NUMBERS_SIZE];
};

/* A pc-dimm: memory in addition to memory_mib. */
struct vm_def_memory_device {
	char id[VM_DEF_ID_SIZE];
	bool has_slot, has_address;
	uint64_t size_mib;
	uint64_t slot;
	uint64_t address; /* guest-physical, chosen by QEMU */
};

/* A virtual CPU in addition to the first `vcpus'. */
struct vm_def_vcpu_device {
	char id[VM_DEF_ID_SIZE];
	bool has_index;
	uint64_t index; /* vcpus to max_vcpus - 1 */
};

/* Any device of QEMU. */
struct vm_def_any_device {
	char id[VM_DEF_ID_SIZE];
	char driver[VM_DEF_DRIVER_SIZE];
	char properties[VM_DEF_PROPERTIES_SIZE]; /* a JSON object; "" if none */
	char pci_address[VM_DEF_PCI_SIZE];       /* "" if it is no PCI device */
};

/* A CD drive.  While the VM runs, medium and tray are recorded as QEMU tells them; a start
 * closes the tray. */
struct vm_def_cdrom {
	char id[VM_DEF_ID_SIZE];
	int bus; /* enum vm_def_cdrom_bus */
	bool has_unit, has_boot_index;
	uint64_t unit;               /* on the machine's controller; none for scsi */
	char path[VM_DEF_PATH_SIZE]; /* the medium; "": the drive is empty */
	int format;                  /* the medium's: enum vm_def_disk_format */
	int tray;                    /* enum vm_def_tray */
	uint64_t boot_index;
	char pci_address[VM_DEF_PCI_SIZE]; /* the controller's; "" unless scsi */
	char device_id[VM_DEF_DEVICE_ID_SIZE]; /* "" unless scsi */
};

/* A socket device between guest and host (vhost-vsock-pci). */
struct vm_def_vsock {
	char id[VM_DEF_ID_SIZE];
	uint64_t cid; /* the guest's address, unique on a host */
	char pci_address[VM_DEF_PCI_SIZE];
};

/* A display adapter. */
struct vm_def_video {
	char id[VM_DEF_ID_SIZE];
	int model; /* enum vm_def_video_model */
	char pci_address[VM_DEF_PCI_SIZE];
};

/* How users see the display; the zero: not at all. */
struct vm_def_graphics {
	int type; /* enum vm_def_graphics_type */
};

/* What QEMU does by itself when the guest does something: enums as above. */
struct vm_def_actions {
	int reboot, shutdown, panic, watchdog;
};

/* What is changed of a definition, at once or when QEMU is started next (wire/vm_edit.h).  A member
 * that is all zero is not changed. */
struct vm_edit {
	uint64_t memory_mib, vcpus;
	char cpu_model[VM_DEF_CPU_MODEL_SIZE];
	struct {
		size_t count;
		char ids[VM_DEF_DISK_MAX + VM_DEF_CDROM_MAX][VM_DEF_ID_SIZE]; /* first first */
	} boot_order;
	struct {
		size_t count;
		struct vm_def_disk list[VM_DEF_DISK_MAX];
	} disks; /* that are added, or take the place of the one with their id */
	struct {
		size_t count;
		struct vm_def_nic list[VM_DEF_NIC_MAX];
	} nics;
	struct {
		size_t count;
		struct vm_def_cdrom list[VM_DEF_CDROM_MAX];
	} cdroms;
	struct {
		size_t count;
		char ids[VM_DEF_DISK_MAX + VM_DEF_NIC_MAX + VM_DEF_CDROM_MAX][VM_DEF_ID_SIZE];
	} remove; /* disks, network interfaces and CD drives */
};

struct vm_def {
	char name[ID_NAME_SIZE];
	char uuid[ID_UUID_SIZE]; /* "" until normalized */
	char machine[64];
	int accel;           /* enum vm_def_accel */
	char machine_options[256]; /* "usb=on,hpet=off"; "" */
	char cpu_model[VM_DEF_CPU_MODEL_SIZE]; /* with its features: "qemu64,+ssse3" */
	uint64_t memory_mib;
	struct vm_def_memory_backend memory_backend;
	struct vm_def_numa_node numa_nodes[VM_DEF_NUMA_NODE_MAX];
	size_t numa_node_count;
	bool memory_share;       /* memory that another QEMU of this host can be given */
	uint64_t memory_slots;   /* for memory devices; 0: none can be added */
	uint64_t max_memory_mib; /* memory devices included; 0 without slots */
	uint64_t vcpus;
	uint64_t max_vcpus; /* 0: no more than vcpus */
	uint64_t hotplug_ports;
	/* False: not normalized yet; or written before ports existed, and the machine has none. */
	bool has_hotplug_ports;
	struct vm_def_disk disks[VM_DEF_DISK_MAX];
	size_t disk_count;
	struct vm_def_nic nics[VM_DEF_NIC_MAX];
	size_t nic_count;
	struct vm_def_serial serial;
	bool guest_agent;
	int clock_after_move; /* enum vm_def_clock_after_move */
	struct vm_def_actions actions;
	struct vm_def_firmware firmware;
	struct vm_def_tpm tpm;
	struct vm_def_shared_memory shared_memory[VM_DEF_SHARED_MEMORY_MAX];
	size_t shared_memory_count;
	struct vm_def_monitor monitors[VM_DEF_MONITOR_MAX];
	size_t monitor_count;
	struct vm_def_memory_device memory_devices[VM_DEF_MEMORY_DEVICE_MAX];
	size_t memory_device_count;
	struct vm_def_vcpu_device vcpu_devices[VM_DEF_VCPU_DEVICE_MAX];
	size_t vcpu_device_count;
	struct vm_def_any_device devices[VM_DEF_DEVICE_MAX];
	size_t device_count;
	struct vm_def_cdrom cdroms[VM_DEF_CDROM_MAX];
	size_t cdrom_count;
	struct vm_def_vsock vsocks[VM_DEF_VSOCK_MAX];
	size_t vsock_count;
	struct vm_def_video videos[VM_DEF_VIDEO_MAX];
	size_t video_count;
	struct vm_def_graphics graphics;
	char extra_args[VM_DEF_EXTRA_ARG_MAX][VM_DEF_ARG_SIZE];
	size_t extra_arg_count;
	/* What people say of the VM; nothing of it reaches QEMU. */
	char labels[LABELS_SIZE];
	char policy[ID_NAME_SIZE]; /* of its moves, unless they say another; "": none is named */
	struct placement placement;
	bool autostart;           /* after a boot of its host */
	uint64_t autostart_order; /* the lowest first */
	struct vm_edit next;      /* what changes when its QEMU is started next */
};

/* Only the VM's host has the image, so that a move must copy it. */
static inline bool vm_def_disk_is_local(const struct vm_def_disk *disk)
{
	return !disk->shared && !disk->readonly;
}

static inline bool vm_def_has_firmware(const struct vm_def *def)
{
	return def->firmware.code[0] != '\0';
}

/* The definition says what holds the guest's memory, so that it is in objects of ours. */
static inline bool vm_def_has_memory_backend(const struct vm_def *def)
{
	return def->memory_backend.type != VM_DEF_MEMORY_TYPE_RAM || def->memory_backend.prealloc ||
	       def->memory_backend.host_nodes[0] || def->numa_node_count;
}

/* 0: it has no vsock. */
static inline uint64_t vm_def_vsock_cid(const struct vm_def *def)
{
	return def->vsock_count ? def->vsocks[0].cid : 0;
}

static inline bool vm_def_has_tpm(const struct vm_def *def)
{
	return def->tpm.model != VM_DEF_TPM_MODEL_NONE;
}

/* The NUMBER-th (from 0) image that a move must copy: those of local disks, in their order, then
 * the firmware's variables.  NULL: there are fewer. */
const struct vm_def_disk *vm_def_local_image(const struct vm_def *def, size_t number);

extern const struct json_field vm_def_fields[];
/* Members that no guest sees; ended by NULL. */
extern const char *const vm_def_about_keys[];
/* Of an element. */
extern const struct json_field vm_def_disk_fields[], vm_def_nic_fields[], vm_def_cdrom_fields[];

/* Sets all of *RET (defaults included), and checks each member and members against each
 * other.  False: *RET must not be used. */
bool vm_def_decode(struct json_object *obj, struct vm_def *ret, struct faults *faults);
/* vm_def_decode() of the result gives the same struct. */
struct json_object *vm_def_encode(const struct vm_def *def);

/* Fills in what the definition leaves open: a new uuid; the MAC address of a NIC, derived from
 * uuid and NIC id; the number of hot-plug ports; and the PCI slot of a device, the slot of a
 * memory device, the index of a vCPU and the unit of a CD drive: the lowest free one, in the order
 * of the definition.  So a definition with a uuid always gives the same machine.  Elements of
 * devices[] get no slot: nobody knows which of them are PCI devices.  LIMIT: no slot or unit is
 * free. */
bool vm_def_normalize(struct vm_def *def, struct err *err);

/* The slot on the root bus of a valid pci_address; 0 for "" and for a port. */
unsigned vm_def_pci_slot(const char *pci_address);
/* The number of a hot-plug port, from 1; 0 for anything else. */
unsigned vm_def_port(const char *pci_address);
/* The root bus of a q35 machine takes and gives no device while the VM runs; ports do. */
bool vm_def_is_q35(const struct vm_def *def);
/* All memory, the memory devices included. */
uint64_t vm_def_memory_mib(const struct vm_def *def);

#endif
