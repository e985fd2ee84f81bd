/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "wire/vm_def_check.h"

#define SLOT_FIRST 0x2 /* 0x1 is left to a display adapter in extra_args */
#define SLOT_LAST  0x1f

unsigned vm_def_pci_slot(const char *pci_address)
{
	unsigned long slot = *pci_address ? strtoul(pci_address, NULL, 16) : 0;

	return slot <= SLOT_LAST ? (unsigned)slot : 0;
}

/* ---- PCI slots ----------------------------------------------------------- */

/* A device among the extra arguments may sit in a slot of its own choice;
 * another bus than the root's only makes us skip a slot. */
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

	for (size_t i = 0; i < def->disk_count; i++)
		slots |= 1u << vm_def_pci_slot(def->disks[i].pci_address);
	for (size_t i = 0; i < def->nic_count; i++)
		slots |= 1u << vm_def_pci_slot(def->nics[i].pci_address);
	for (size_t i = 0; i < def->shared_memory_count; i++)
		slots |= 1u << vm_def_pci_slot(def->shared_memory[i].pci_address);
	for (size_t i = 0; i < def->extra_arg_count; i++)
		slots |= slots_of_extra_arg(def->extra_args[i]);
	return slots;
}

static bool pin(char *pci_address, uint32_t *slots, const char *id, struct err *err)
{
	if (*pci_address)
		return true;
	for (unsigned slot = SLOT_FIRST; slot <= SLOT_LAST; slot++) {
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

	for (size_t i = 0; i < def->disk_count; i++)
		if (!pin(def->disks[i].pci_address, &slots, def->disks[i].id, err))
			return false;
	for (size_t i = 0; i < def->nic_count; i++)
		if (!pin(def->nics[i].pci_address, &slots, def->nics[i].id, err))
			return false;
	for (size_t i = 0; i < def->shared_memory_count; i++)
		if (!pin(def->shared_memory[i].pci_address, &slots, def->shared_memory[i].id, err))
			return false;
	return true;
}

/* ---- MAC addresses --------------------------------------------------------- */

/* FNV-1a: only has to spread. */
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

	h ^= h >> 24; /* the upper bits count too, where only 24 are kept */
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
	return pin_all(def, err);
}
