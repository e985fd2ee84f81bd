/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each -device must exist in QEMU, each device of QEMU must be explained by an option
 * or a default, and each keeps its PCI address. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

/* ---- facts ------------------------------------------------------------------ */

static bool is_one_of(const char *type, const char *const *types)
{
	for (; types && *types; types++) {
		if (strcmp(type, *types) == 0)
			return true;
	}
	return !types;
}

/* The board's own devices are numbered too, but its NICs are in the order of PCI addresses. */
static unsigned rank(const struct adopt_device *device)
{
	return device->place == ADOPT_BOARD && device->devfn != ADOPT_NO_PCI
		       ? (unsigned)device->devfn
		       : device->number;
}

const struct adopt_device *adopt_device_nth(const struct adopt_facts *facts, enum adopt_place place,
					    const char *const *types, size_t n)
{
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct adopt_device *device = &facts->devices[i];
		size_t before = 0;

		if (device->place != place || !is_one_of(device->type, types))
			continue;
		for (size_t k = 0; k < facts->device_count; k++) {
			const struct adopt_device *other = &facts->devices[k];

			before += other->place == place && is_one_of(other->type, types) &&
				  (rank(other) < rank(device) ||
				   (rank(other) == rank(device) && k < i));
		}
		if (before == n)
			return device;
	}
	return NULL;
}

size_t adopt_device_count(const struct adopt_facts *facts, enum adopt_place place,
			  const char *const *types)
{
	size_t count = 0;

	for (size_t i = 0; i < facts->device_count; i++)
		count += facts->devices[i].place == place &&
			 is_one_of(facts->devices[i].type, types);
	return count;
}

bool adopt_is_on_root(const struct adopt_device *device)
{
	return device->devfn != ADOPT_NO_PCI &&
	       (strcmp(device->bus, "pcie.0") == 0 || strcmp(device->bus, "pci.0") == 0);
}

void adopt_print_addr(const struct adopt_device *device, char ret_text[16])
{
	unsigned slot = (unsigned)device->devfn / 8, function = (unsigned)device->devfn % 8;

	if (function)
		snprintf(ret_text, 16, "0x%x.0x%x", slot, function);
	else
		snprintf(ret_text, 16, "0x%x", slot);
}

/* ---- what we know ------------------------------------------------------------- */

/* Devices whose state QEMU moves, and that have nothing of their own on the host
 * except what a kept option names.  TYPE: QEMU's name of it, if DRIVER is an alias. */
static const struct {
	const char *driver, *type;
} drivers[] = {
	{ "virtio-blk-pci", NULL },
	{ "virtio-blk", "virtio-blk-pci" },
	{ "virtio-net-pci", NULL },
	{ "virtio-net", "virtio-net-pci" },
	{ "virtio-rng-pci", NULL },
	{ "virtio-rng", "virtio-rng-pci" },
	{ "virtio-balloon-pci", NULL },
	{ "virtio-balloon", "virtio-balloon-pci" },
	{ "virtio-serial-pci", NULL },
	{ "virtio-serial", "virtio-serial-pci" },
	{ "virtio-scsi-pci", NULL },
	{ "virtio-scsi", "virtio-scsi-pci" },
	{ "virtio-keyboard-pci", NULL },
	{ "virtio-tablet-pci", NULL },
	{ "virtio-mouse-pci", NULL },
	{ "virtserialport", NULL },
	{ "virtconsole", NULL },
	{ "scsi-hd", NULL },
	{ "scsi-cd", NULL },
	{ "ide-hd", NULL },
	{ "ide-cd", NULL },
	{ "ahci", "ich9-ahci" },
	{ "ich9-ahci", NULL },
	{ "e1000", NULL },
	{ "e1000e", NULL },
	{ "rtl8139", NULL },
	{ "VGA", NULL },
	{ "cirrus-vga", NULL },
	{ "pcie-root-port", NULL },
	{ "ioh3420", NULL },
	{ "pci-bridge", NULL },
	{ "pcie-pci-bridge", NULL },
	{ "qemu-xhci", NULL },
	{ "nec-usb-xhci", NULL },
	{ "usb-ehci", NULL },
	{ "piix3-usb-uhci", NULL },
	{ "usb-tablet", NULL },
	{ "usb-kbd", NULL },
	{ "usb-mouse", NULL },
	{ "usb-storage", NULL },
	{ "isa-serial", NULL },
	{ "i6300esb", NULL },
	{ "pvpanic", NULL },
	{ "vmgenid", NULL },
	{ "vmcoreinfo", NULL },
};

/* Drivers whose refusal tells the reason. */
static const struct {
	const char *prefix, *why;
} refused_drivers[] = {
	{ "vfio-", "a device of this host cannot move" },
	{ "usb-host", "a device of this host cannot move" },
	{ "vhost-", "its other half is another process of this host" },
	{ "ivshmem", "shared memory is not carried over: it can be plugged into a VM of migrd" },
	{ "nvme", "QEMU cannot move it" },
	{ "pc-dimm", "memory that is plugged in has no member in the definition" },
};

static const char *type_of(const char *driver)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (strcmp(drivers[i].driver, driver) == 0)
			return drivers[i].type ? drivers[i].type : driver;
	}
	return NULL;
}

static void refuse_driver(struct adopt_plan *plan, const char *driver)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_drivers); i++) {
		if (strncmp(driver, refused_drivers[i].prefix, strlen(refused_drivers[i].prefix)) !=
		    0)
			continue;
		ADOPT_REFUSE(plan, "-device", "'%.40s': %s", driver, refused_drivers[i].why);
		return;
	}
	ADOPT_REFUSE(plan, "-device", "'%.40s' is not known to move", driver);
}

/* ---- -device and -object ---------------------------------------------------------- */

void adopt_take_device(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_DEVICE, option->name, value, "driver");
	const char *driver = item ? optlist_get(&item->opts, "driver") : NULL;

	if (!item)
		return;
	if (!driver || !type_of(driver))
		refuse_driver(plan, driver ? driver : "");
	else if (*value == '{')
		item->is_changed = true; /* JSON: written as text, like the others */
}

void adopt_take_object(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	static const char *const types[] = { "memory-backend-ram", "memory-backend-memfd",
					     "iothread",           "rng-random",
					     "rng-builtin",        NULL };
	struct adopt_item *item =
		adopt_add_list(plan, ADOPT_OBJECT, option->name, value, "qom-type");
	const char *type = item ? optlist_get(&item->opts, "qom-type") : NULL;

	if (item && (!type || !is_one_of(type, types)))
		ADOPT_REFUSE(plan, option->name, "'%.40s' is not known to move", type ? type : "");
}

/* ---- matching ----------------------------------------------------------------------- */

static const struct adopt_device *find_named(const struct adopt_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->facts->device_count; i++) {
		const struct adopt_device *device = &plan->facts->devices[i];

		if (device->place == ADOPT_NAMED && strcmp(device->name, id) == 0)
			return device;
	}
	return NULL;
}

/* Writes out what QEMU chose by itself: beside other devices it would choose differently. */
static void pin(struct adopt_plan *plan, struct adopt_item *item, const struct adopt_device *fact)
{
	char addr[16];

	if (fact->mac[0] && !optlist_get(&item->opts, "mac"))
		adopt_change(item, "mac", fact->mac);
	if (fact->devfn == ADOPT_NO_PCI)
		return;
	if (!adopt_is_on_root(fact) && !optlist_get(&item->opts, "bus"))
		ADOPT_REFUSE(plan, item->option,
			     "'%.40s' is on bus '%.40s', which it does not name", fact->type,
			     fact->bus);
	adopt_print_addr(fact, addr);
	if (!optlist_get(&item->opts, "addr"))
		adopt_change(item, "addr", addr);
}

static bool map_disk(struct adopt_plan *plan, const struct optlist *device,
		     const struct adopt_device *fact)
{
	const char *drive = optlist_get(device, "drive");
	struct adopt_item *backend = adopt_find(plan, ADOPT_DRIVE, "id", drive);

	if (strcmp(fact->type, "virtio-blk-pci") != 0)
		return false;
	if (!backend)
		backend = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", drive);
	return backend && adopt_map_disk(plan, backend, device, fact);
}

static void map(struct adopt_plan *plan, struct adopt_item *item, const char *type,
		const struct adopt_device *fact)
{
	adopt_follow_device(plan, item, fact);
	if (map_disk(plan, &item->opts, fact) ||
	    (strcmp(type, "virtio-net-pci") == 0 && adopt_map_nic(plan, &item->opts, fact)))
		item->is_gone = true;
	else
		pin(plan, item, fact);
}

/* CD drives are mapped later, when all devices are known (adopt_cdroms_end()). */
static void take_fact(struct adopt_plan *plan, struct adopt_item *item, const char *type,
		      const struct adopt_device *fact)
{
	item->fact = fact;
	if (!adopt_is_cdrom(fact))
		map(plan, item, type, fact);
}

static void match(struct adopt_plan *plan, struct adopt_item *item, const struct adopt_device *fact)
{
	const char *driver = optlist_get(&item->opts, "driver");
	const char *type = driver ? type_of(driver) : NULL;

	if (!type)
		return; /* refused already */
	if (!fact || strcmp(fact->type, type) != 0)
		ADOPT_REFUSE(plan, item->option,
			     "QEMU does not have the '%.40s' of its command line: it was taken out "
			     "later",
			     driver);
	else
		take_fact(plan, item, type, fact);
}

static void refuse_plugged(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->facts->device_count; i++) {
		const struct adopt_device *device = &plan->facts->devices[i];

		if (device->place == ADOPT_NAMED &&
		    !adopt_find(plan, ADOPT_DEVICE, "id", device->name))
			ADOPT_REFUSE(plan, "-device",
				     "QEMU has a device '%.40s' (%.40s) that its command line does "
				     "not "
				     "tell of: it was plugged in later",
				     device->name, device->type);
	}
}

size_t adopt_devices_end(struct adopt_plan *plan)
{
	size_t anonymous = 0, count = plan->item_count;

	for (size_t i = 0; i < count; i++) {
		struct adopt_item *item = &plan->items[i];
		const char *id = optlist_get(&item->opts, "id");

		if (item->kind != ADOPT_DEVICE)
			continue;
		match(plan, item,
		      id ? find_named(plan, id)
			 : adopt_device_nth(plan->facts, ADOPT_ANONYMOUS, NULL, anonymous++));
	}
	refuse_plugged(plan);
	return anonymous;
}

/* ---- what the machine made by itself ---------------------------------------------------- */

static const char *const vga_types[] = { "VGA", "cirrus-vga", "vmware-svga", "virtio-vga", NULL };
static const char *const ide_types[] = { "ide-hd", "ide-cd", NULL };
static const char *const floppy_types[] = { "floppy", NULL };
static const char *const serial_types[] = { "isa-serial", NULL };
static const char *const parallel_types[] = { "isa-parallel", NULL };

/* Devices of the machine types themselves, `usb=on' included (hw/i386/pc_{q35,piix}.c). */
static const char *const own_types[] = { "ICH9-LPC",
					 "ICH9 LPC",
					 "ich9-ahci",
					 "ICH9-SMB",
					 "ICH9 SMB",
					 "ich9-usb-ehci1",
					 "ich9-usb-uhci1",
					 "ich9-usb-uhci2",
					 "ich9-usb-uhci3",
					 "PIIX3",
					 "piix3-isa",
					 "piix3-ide",
					 "piix3-usb-uhci",
					 "piix4-usb-uhci",
					 "PIIX4_PM",
					 "PIIX4-PM",
					 "i440FX",
					 "mch",
					 NULL };

static size_t count_drives(const struct adopt_plan *plan, const char *interface)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->item_count; i++)
		count += plan->items[i].kind == ADOPT_DRIVE &&
			 optlist_is(&plan->items[i].opts, "if", interface, "ide");
	return count;
}

/* A medium may have been put into a default drive since the start. */
static void add_default(struct adopt_plan *plan, const char *option, const char *value)
{
	struct adopt_item *item;

	if (strcmp(option, "-drive") != 0) {
		adopt_add(plan, ADOPT_PLAIN, option, value);
		return;
	}
	item = adopt_add_list(plan, ADOPT_DRIVE, option, value, NULL);
	if (item)
		adopt_follow_drive(plan, item);
}

/* Without -nodefaults QEMU adds a device of some kinds; GIVEN: how many others are explained. */
static void explain(struct adopt_plan *plan, const char *option, const char *const *types,
		    size_t given, size_t max_defaults, const char *value)
{
	size_t count = adopt_device_count(plan->facts, ADOPT_BOARD, types);

	if (count > given && count - given <= max_defaults)
		add_default(plan, option, value);
	else if (count != given)
		ADOPT_REFUSE(plan, option,
			     "QEMU has %zu devices of the kind '%s', and its command line explains "
			     "%zu",
			     count, types[0], given);
}

static void explain_pci(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->facts->device_count; i++) {
		const struct adopt_device *device = &plan->facts->devices[i];
		char addr[16];

		if (device->place != ADOPT_BOARD || device->devfn == ADOPT_NO_PCI)
			continue;
		adopt_print_addr(device, addr);
		if (is_one_of(device->type, vga_types))
			adopt_addf(plan, "-device", "%s,addr=%s", device->type, addr);
		else if (!is_one_of(device->type, own_types) && !device->mac[0])
			ADOPT_REFUSE(plan, "-machine",
				     "it has a device '%.40s' at PCI slot %s that migrd does not "
				     "know",
				     device->type, addr);
	}
}

void adopt_board_end(struct adopt_plan *plan)
{
	explain_pci(plan);
	explain(plan, "-drive", ide_types, count_drives(plan, "ide") + plan->default_cdroms, 0,
		NULL);
	explain(plan, "-drive", floppy_types, count_drives(plan, "floppy"), 1, "if=floppy,index=0");
	explain(plan, "-serial", serial_types, plan->serials, plan->serials == 0, "null");
	explain(plan, "-parallel", parallel_types, plan->parallels, plan->parallels == 0, "null");
}
