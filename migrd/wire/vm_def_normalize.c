/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wire/vm_def_cdrom.h"
#include "wire/vm_def_check.h"
#include "wire/vm_def_device.h"

#define SLOT_VIDEO 0x1 /* is left to a display adapter, also of extra_args */
#define SLOT_FIRST 0x2
#define SLOT_LAST  0x1f

unsigned vm_def_pci_slot(const char *pci_address)
{
	unsigned long slot =
		strncmp(pci_address, "0x", 2) == 0 ? strtoul(pci_address, NULL, 16) : 0;

	return slot <= SLOT_LAST ? (unsigned)slot : 0;
}

unsigned vm_def_port(const char *pci_address)
{
	unsigned port = 0;
	char text[16];

	if (strncmp(pci_address, "port", 4) == 0)
		port = (unsigned)strtoul(pci_address + 4, NULL, 10) % 100;
	snprintf(text, sizeof(text), "port%u", port);
	return port <= VM_DEF_HOTPLUG_PORT_MAX && strcmp(pci_address, text) == 0 ? port : 0;
}

uint64_t vm_def_memory_mib(const struct vm_def *def)
{
	uint64_t sum = def->memory_mib;

	for (size_t i = 0; i < def->memory_device_count; i++)
		sum += def->memory_devices[i].size_mib;
	return sum;
}

/* ---- PCI slots ----------------------------------------------------------- */

/* Slots that devices among the extra arguments name.  If such a device is on another bus
 * than the root's, a slot is skipped without need, which does no harm. */
static uint32_t slots_of_extra_arg(const char *arg)
{
	uint32_t slots = 0;

	for (const char *at = strstr(arg, "addr="); at; at = strstr(at + 1, "addr=")) {
		unsigned long slot = strtoul(at + 5, NULL, 16);

		if (slot <= SLOT_LAST)
			slots |= 1u << slot;
	}
	return slots;
}

static uint32_t slots_in_use(const struct vm_def *def)
{
	uint32_t slots = vm_def_reserved_slots(def);

	VM_DEF_EACH_DEVICE(def, dev)
	{
		slots |= 1u << vm_def_pci_slot(vm_def_device_pci_const(def, dev));
	}
	for (size_t i = 0; i < def->extra_arg_count; i++)
		slots |= slots_of_extra_arg(def->extra_args[i]);
	return slots;
}

static bool pin(char *pci_address, unsigned first, uint32_t *slots, const char *id, struct err *err)
{
	if (*pci_address)
		return true;
	for (unsigned slot = first; slot <= SLOT_LAST; slot++) {
		if (*slots & 1u << slot)
			continue;
		*slots |= 1u << slot;
		snprintf(pci_address, VM_DEF_PCI_SIZE, "0x%x", slot);
		return true;
	}
	return err_set(err, ERR_LIMIT, "no PCI slot is free for the device '%s'", id);
}

static bool pin_all(struct vm_def *def, struct err *err)
{
	uint32_t slots = slots_in_use(def);

	VM_DEF_EACH_DEVICE(def, dev)
	{
		unsigned first = dev.kind == VM_DEF_KIND_VIDEO ? SLOT_VIDEO : SLOT_FIRST;

		if (vm_def_is_pinned(def, dev) && !pin(vm_def_device_pci(def, dev), first, &slots,
						       vm_def_device_id(def, dev), err))
			return false;
	}
	if (!def->has_hotplug_ports && vm_def_is_q35(def) && !(slots & 1u << VM_DEF_PORT_SLOT)) {
		def->has_hotplug_ports = true;
		def->hotplug_ports = VM_DEF_HOTPLUG_PORTS;
	}
	return true;
}

/* ---- memory and CPUs ------------------------------------------------------- */

static void pin_memory(struct vm_def *def)
{
	uint32_t taken = 0;

	for (size_t i = 0; i < def->memory_device_count; i++)
		if (def->memory_devices[i].has_slot)
			taken |= 1u << def->memory_devices[i].slot;
	for (size_t i = 0; i < def->memory_device_count; i++) {
		struct vm_def_memory_device *memory = &def->memory_devices[i];

		while (!memory->has_slot && taken & 1u << memory->slot)
			memory->slot++; /* ends: there are as many slots as elements */
		taken |= 1u << memory->slot;
		memory->has_slot = true;
	}
}

static bool is_index_taken(const struct vm_def *def, uint64_t index)
{
	for (size_t i = 0; i < def->vcpu_device_count; i++)
		if (def->vcpu_devices[i].has_index && def->vcpu_devices[i].index == index)
			return true;
	return false;
}

static void pin_vcpus(struct vm_def *def)
{
	uint64_t index = def->vcpus;

	for (size_t i = 0; i < def->vcpu_device_count; i++) {
		struct vm_def_vcpu_device *vcpu = &def->vcpu_devices[i];

		if (vcpu->has_index)
			continue;
		while (is_index_taken(def, index))
			index++;
		vcpu->index = index;
		vcpu->has_index = true;
	}
}

/* ---- MAC addresses --------------------------------------------------------- */

/* FNV-1a: the hash only has to spread its values. */
static uint32_t hash(uint32_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static bool mac_in_use(const struct vm_def *def, const char *mac)
{
	for (size_t i = 0; i < def->nic_count; i++)
		if (!strcasecmp(def->nics[i].mac, mac))
			return true;
	return false;
}

/* 52:54:00 is the prefix that QEMU itself uses. */
static void make_mac(const struct vm_def *def, struct vm_def_nic *nic)
{
	uint32_t h = hash(hash(2166136261u, def->uuid), nic->id);
	char mac[VM_DEF_MAC_SIZE];

	h ^= h >> 24; /* only 24 bits are kept: let the upper ones count too */
	do {
		snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x", h >> 16 & 0xff, h >> 8 & 0xff,
			 h & 0xff);
		h++;
	} while (mac_in_use(def, mac));
	memcpy(nic->mac, mac, sizeof(mac));
}

bool vm_def_normalize(struct vm_def *def, struct err *err)
{
	if (!*def->uuid)
		id_uuid_new(def->uuid);
	for (size_t i = 0; i < def->nic_count; i++)
		if (!*def->nics[i].mac)
			make_mac(def, &def->nics[i]);
	pin_memory(def);
	pin_vcpus(def);
	return vm_def_pin_cdroms(def, err) && pin_all(def, err);
}
