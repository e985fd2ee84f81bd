/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wire/vm_def_device.h -- the devices of a VM definition, whatever their kind.
 *
 * As JSON a device is its element of the definition's list with a member "kind"
 * in front.  Thread: any.
 */
#ifndef MIGRD_WIRE_VM_DEF_DEVICE_H
#define MIGRD_WIRE_VM_DEF_DEVICE_H

#include "wire/vm_def.h"

enum vm_def_kind {
	VM_DEF_KIND_DISK,
	VM_DEF_KIND_NIC,
	VM_DEF_KIND_SHARED_MEMORY,
	VM_DEF_KIND_MEMORY,
	VM_DEF_KIND_VCPU,
	VM_DEF_KIND_GENERIC,
	VM_DEF_KIND_CDROM,
	VM_DEF_KIND_VSOCK,
	VM_DEF_KIND_VIDEO,
	VM_DEF_KIND_COUNT
};

/* Valid until the definition changes. */
struct vm_def_device {
	enum vm_def_kind kind;
	size_t index;
};

const char *vm_def_kind_name(enum vm_def_kind kind); /* "disk", the value of "kind" */
const char *vm_def_kind_list(enum vm_def_kind kind); /* "disks", its key */
/* The table of an element. */
const struct json_field *vm_def_kind_fields(enum vm_def_kind kind);
size_t vm_def_device_count(const struct vm_def *def, enum vm_def_kind kind);

#define VM_DEF_EACH_DEVICE(def, dev)                                         \
	for (struct vm_def_device dev = { 0 }; dev.kind < VM_DEF_KIND_COUNT; \
	     dev.kind++, dev.index = 0)                                      \
		for (; dev.index < vm_def_device_count(def, dev.kind); dev.index++)

const char *vm_def_device_id(const struct vm_def *def, struct vm_def_device dev);
/* The device's PCI address: VM_DEF_PCI_SIZE bytes that may be written; NULL for a kind that
 * has none. */
char *vm_def_device_pci(struct vm_def *def, struct vm_def_device dev);
/* "" also for a kind that has none. */
const char *vm_def_device_pci_const(const struct vm_def *def, struct vm_def_device dev);
/* Whether migrd pins the device's place on the PCI bus: not that of every CD drive, and not that
 * of elements of devices[], of which nobody knows whether they are PCI devices. */
bool vm_def_is_pinned(const struct vm_def *def, struct vm_def_device dev);
bool vm_def_find_device(const struct vm_def *def, const char *id, struct vm_def_device *ret);
/* A new object, "kind" included. */
struct json_object *vm_def_device_json(const struct vm_def *def, struct vm_def_device dev);

/* *RET becomes DEF with the device OBJ, checked as a whole; *RET_DEV tells where the device
 * is.  FAULTS point into OBJ. */
bool vm_def_add_device(const struct vm_def *def, struct json_object *obj, struct vm_def *ret,
		       struct vm_def_device *ret_dev, struct faults *faults);
void vm_def_remove_device(struct vm_def *def, struct vm_def_device dev);

/* The lowest hot-plug port that no device of DEF has.  LIMIT: none is free. */
bool vm_def_pick_port(const struct vm_def *def, char ret_address[VM_DEF_PCI_SIZE], struct err *err);

#endif
