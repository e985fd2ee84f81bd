/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/vm_def_cdrom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* hw/i386/pc_piix.c: piix3-ide, two channels of two units; hw/i386/pc_q35.c: ich9-ahci. */
#define IDE_UNITS  4
#define SATA_UNITS 6

/* How many CD drives the controller of the machine takes; 0: it has none for BUS. */
static unsigned units_of(const struct vm_def *def, int bus)
{
	switch ((enum vm_def_cdrom_bus)bus) {
	case VM_DEF_CDROM_BUS_IDE:
		return strncmp(def->machine, "pc-i440fx-", 10) == 0 ? IDE_UNITS : 0;
	case VM_DEF_CDROM_BUS_SATA:
		return vm_def_is_q35(def) ? SATA_UNITS : 0;
	case VM_DEF_CDROM_BUS_SCSI:
		break;
	}
	return 0;
}

/* ---- rules --------------------------------------------------------------- */

struct drive {
	const struct vm_def_cdrom *cdrom;
	size_t index;
	struct faults *faults;
};

static void complain(const struct drive *drive, const char *member, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void complain(const struct drive *drive, const char *member, const char *fmt, ...)
{
	char pointer[48], text[160];
	va_list ap;

	snprintf(pointer, sizeof(pointer), "/cdroms/%zu/%s", drive->index, member);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	faults_add(drive->faults, pointer, "%s", text);
}

static void check_bus(const struct drive *drive, const struct vm_def *def)
{
	const struct vm_def_cdrom *cdrom = drive->cdrom;
	unsigned units = units_of(def, cdrom->bus);

	if (cdrom->bus == VM_DEF_CDROM_BUS_SCSI) {
		if (cdrom->has_unit)
			complain(drive, "unit", "only for bus ide or sata");
		return;
	}
	if (*cdrom->device_id)
		complain(drive, "device_id", "only for bus scsi");
	if (!units)
		complain(drive, "bus", "%s is the bus of a %s machine: use %s",
			 vm_def_cdrom_bus_names[cdrom->bus],
			 cdrom->bus == VM_DEF_CDROM_BUS_IDE ? "pc-i440fx" : "pc-q35",
			 units_of(def, VM_DEF_CDROM_BUS_IDE)    ? "ide or scsi"
			 : units_of(def, VM_DEF_CDROM_BUS_SATA) ? "sata or scsi"
								: "scsi");
	else if (cdrom->has_unit && cdrom->unit >= units)
		complain(drive, "unit", "bus %s has the units 0 to %u",
			 vm_def_cdrom_bus_names[cdrom->bus], units - 1);
	if (*cdrom->pci_address)
		complain(drive, "pci_address", "only for bus scsi");
}

static void check_medium(const struct drive *drive, const struct vm_def *def)
{
	const struct vm_def_cdrom *cdrom = drive->cdrom;

	if (!*cdrom->path && cdrom->format != VM_DEF_DISK_FORMAT_RAW)
		complain(drive, "format", "only with a medium: 'path'");
	for (size_t i = 0; i < def->disk_count && *cdrom->path; i++)
		if (strcmp(def->disks[i].path, cdrom->path) == 0 && !def->disks[i].readonly)
			complain(drive, "path",
				 "the same file as /disks/%zu, which the guest can write", i);
}

static void check_boot_index(const struct drive *drive, const struct vm_def *def)
{
	uint64_t own = drive->cdrom->boot_index;

	for (size_t i = 0; i < def->disk_count; i++)
		if (def->disks[i].has_boot_index && def->disks[i].boot_index == own)
			complain(drive, "boot_index", "%u is the boot_index of /disks/%zu already",
				 (unsigned)own, i);
	for (size_t i = 0; i < drive->index; i++)
		if (def->cdroms[i].has_boot_index && def->cdroms[i].boot_index == own)
			complain(drive, "boot_index", "%u is the boot_index of /cdroms/%zu already",
				 (unsigned)own, i);
}

static void check_unit(const struct drive *drive, const struct vm_def *def)
{
	for (size_t i = 0; i < drive->index; i++)
		if (def->cdroms[i].has_unit && def->cdroms[i].unit == drive->cdrom->unit)
			complain(drive, "unit", "%u is taken by /cdroms/%zu",
				 (unsigned)drive->cdrom->unit, i);
}

void vm_def_check_cdrom(const struct vm_def *def, size_t index, struct faults *faults)
{
	const struct drive drive = { &def->cdroms[index], index, faults };

	check_bus(&drive, def);
	check_medium(&drive, def);
	if (drive.cdrom->has_boot_index)
		check_boot_index(&drive, def);
	if (drive.cdrom->has_unit)
		check_unit(&drive, def);
}

/* ---- units ----------------------------------------------------------------- */

/* Units that short options and drives among the extra arguments take.  If one is missed here,
 * QEMU refuses to start. */
static uint32_t units_of_extra_arg(const char *arg)
{
	static const struct {
		const char *option;
		unsigned unit;
	} options[] = {
		{ "-hda", 0 }, { "-hdb", 1 }, { "-hdc", 2 }, { "-hdd", 3 }, { "-cdrom", 2 }
	};
	const char *index = strstr(arg, "index=");

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(arg, options[i].option) == 0)
			return 1u << options[i].unit;
	if (index && strstr(arg, "if=ide"))
		return 1u << (strtoul(index + strlen("index="), NULL, 10) % 32);
	return 0;
}

static uint32_t units_in_use(const struct vm_def *def)
{
	uint32_t taken = 0;

	for (size_t i = 0; i < def->cdrom_count; i++)
		if (def->cdroms[i].has_unit)
			taken |= 1u << def->cdroms[i].unit;
	for (size_t i = 0; i < def->extra_arg_count; i++)
		taken |= units_of_extra_arg(def->extra_args[i]);
	return taken;
}

bool vm_def_pin_cdroms(struct vm_def *def, struct err *err)
{
	uint32_t taken = units_in_use(def);

	for (size_t i = 0; i < def->cdrom_count; i++) {
		struct vm_def_cdrom *cdrom = &def->cdroms[i];
		unsigned units = units_of(def, cdrom->bus), unit = 0;

		if (cdrom->has_unit || cdrom->bus == VM_DEF_CDROM_BUS_SCSI)
			continue;
		while (unit < units && taken & 1u << unit)
			unit++;
		if (unit == units)
			return err_set(err, ERR_LIMIT,
				       "no unit of bus %s is free for the CD drive '%s': use bus "
				       "scsi",
				       vm_def_cdrom_bus_names[cdrom->bus], cdrom->id);
		taken |= 1u << unit;
		cdrom->unit = unit;
		cdrom->has_unit = true;
	}
	return true;
}
