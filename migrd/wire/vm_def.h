/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def.h -- a VM definition: JSON in, struct, JSON out.
 *
 * The definition is what a user posts, what the store keeps, and what travels
 * to the destination of a move, which must build the very same machine.
 * vm_def_normalize() therefore pins what QEMU would otherwise choose by itself.
 *
 * A struct vm_def holds no pointers and may be copied; it is large (about
 * 110 KiB): keep it on the heap.  Thread: any.
 */
#ifndef MIGRD_WIRE_VM_DEF_H
#define MIGRD_WIRE_VM_DEF_H

#include <net/if.h>

#include "base/id.h"
#include "base/json.h"

/* QEMU limits node names to 31 bytes: an id leaves room for a suffix. */
#define VM_DEF_ID_SIZE   25
#define VM_DEF_PATH_SIZE 1024
#define VM_DEF_ARG_SIZE  1024
#define VM_DEF_PCI_SIZE  8
#define VM_DEF_MAC_SIZE  18

#define VM_DEF_DISK_MAX          16
#define VM_DEF_NIC_MAX           8
#define VM_DEF_SHARED_MEMORY_MAX 4
#define VM_DEF_MONITOR_MAX       4
#define VM_DEF_EXTRA_ARG_MAX     64

/* Where the guest agent's virtio-serial controller sits; no device of the
 * definition may, while guest_agent is set. */
#define VM_DEF_GUEST_AGENT_SLOT 0x1e

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
enum vm_def_nic_type { VM_DEF_NIC_TYPE_USER, VM_DEF_NIC_TYPE_TAP };
enum vm_def_serial_type {
	VM_DEF_SERIAL_TYPE_NONE,
	VM_DEF_SERIAL_TYPE_FILE,
	VM_DEF_SERIAL_TYPE_SOCKET,
};
enum vm_def_monitor_protocol { VM_DEF_MONITOR_PROTOCOL_QMP, VM_DEF_MONITOR_PROTOCOL_HMP };
enum vm_def_monitor_type {
	VM_DEF_MONITOR_TYPE_UNIX,
	VM_DEF_MONITOR_TYPE_TCP,
	VM_DEF_MONITOR_TYPE_STDIO,
};

/* The names of the definition, for the command line too; ended by NULL. */
extern const char *const vm_def_accel_names[];
extern const char *const vm_def_disk_format_names[];
extern const char *const vm_def_disk_cache_names[];
extern const char *const vm_def_nic_type_names[];
extern const char *const vm_def_serial_type_names[];
extern const char *const vm_def_monitor_protocol_names[];
extern const char *const vm_def_monitor_type_names[];

struct vm_def_disk {
	char id[VM_DEF_ID_SIZE];
	char path[VM_DEF_PATH_SIZE]; /* may contain ',' */
	int format;                  /* enum vm_def_disk_format */
	bool readonly;
	bool shared; /* both hosts see the same storage */
	bool has_boot_index;
	uint64_t boot_index;
	int cache;                         /* enum vm_def_disk_cache */
	char pci_address[VM_DEF_PCI_SIZE]; /* "0x4"; "" until normalized */
};

struct vm_def_nic {
	char id[VM_DEF_ID_SIZE];
	int type;                  /* enum vm_def_nic_type */
	char ifname[IF_NAMESIZE];  /* "" unless tap */
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

/* One more monitor, for tools of the operator's own. */
struct vm_def_monitor {
	char id[VM_DEF_ID_SIZE];
	int protocol;                /* enum vm_def_monitor_protocol */
	int type;                    /* enum vm_def_monitor_type */
	char path[VM_DEF_PATH_SIZE]; /* "" unless unix */
	uint64_t port;               /* on 127.0.0.1; 0 unless tcp */
};

struct vm_def {
	char name[ID_NAME_SIZE];
	char uuid[ID_UUID_SIZE]; /* "" until normalized */
	char machine[64];
	int accel;           /* enum vm_def_accel */
	char cpu_model[512]; /* with its features: "qemu64,+ssse3" */
	uint64_t memory_mib;
	uint64_t vcpus;
	struct vm_def_disk disks[VM_DEF_DISK_MAX];
	size_t disk_count;
	struct vm_def_nic nics[VM_DEF_NIC_MAX];
	size_t nic_count;
	struct vm_def_serial serial;
	bool guest_agent;
	struct vm_def_shared_memory shared_memory[VM_DEF_SHARED_MEMORY_MAX];
	size_t shared_memory_count;
	struct vm_def_monitor monitors[VM_DEF_MONITOR_MAX];
	size_t monitor_count;
	char extra_args[VM_DEF_EXTRA_ARG_MAX][VM_DEF_ARG_SIZE];
	size_t extra_arg_count;
};

extern const struct json_field vm_def_fields[];

/* Sets *RET wholly (defaults included) and checks across members as well.  On
 * false *RET is not to be used. */
bool vm_def_decode(struct json_object *obj, struct vm_def *ret, struct faults *faults);
/* vm_def_decode() of the result gives the same struct. */
struct json_object *vm_def_encode(const struct vm_def *def);

/* Makes up a uuid if there is none, and pins a PCI slot for every device and a
 * MAC address for every NIC that has none: the lowest free slot in the order
 * of the definition, and a MAC derived from uuid and NIC id, so that the same
 * definition always gives the same machine.  LIMIT when no slot is free. */
bool vm_def_normalize(struct vm_def *def, struct err *err);

/* The slot of a valid pci_address; 0 for "". */
unsigned vm_def_pci_slot(const char *pci_address);

#endif
