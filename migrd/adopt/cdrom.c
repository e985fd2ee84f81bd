/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each CD drive of QEMU becomes a CD drive of the definition: at the place where the guest finds
 * it, with the medium in it now.  What a definition cannot express is refused by its name. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"
#include "wire/vm_def_check.h"
#include "wire/vm_def_local.h"

/* A CD drive of QEMU, and the options that made it. */
struct found {
	const struct adopt_block *block;
	const struct adopt_device *fact;
	struct adopt_item *device;     /* -device; NULL: the machine made it */
	struct adopt_item *drive;      /* -drive; NULL: a -blockdev, or no medium at all */
	struct adopt_item *controller; /* SCSI: its controller, which the definition replaces */
	const char *option;            /* the option that refusals and notes name */
};

bool adopt_is_cd_drive(const struct adopt_item *item)
{
	return item->kind == ADOPT_DRIVE && optlist_is(&item->opts, "media", "cdrom", "disk");
}

static const char *name_of(const struct found *found)
{
	return found->fact->place == ADOPT_NAMED ? found->fact->name
	       : found->block->device[0]         ? found->block->device
						 : found->fact->type;
}

static bool refuse(struct adopt_plan *plan, const struct found *found, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static bool refuse(struct adopt_plan *plan, const struct found *found, const char *fmt, ...)
{
	char text[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ADOPT_REFUSE(plan, found->option, "the CD drive '%.30s' %s", name_of(found), text);
	return false;
}

/* ---- where it is connected -------------------------------------------------- */

/* pc-q35 has one bus per port, pc-i440fx one per channel, with two units each. */
static bool place_ide(struct adopt_plan *plan, const struct found *found,
		      struct vm_def_cdrom *cdrom)
{
	const struct adopt_device *fact = found->fact;
	bool is_q35 = vm_def_is_q35(plan->def);
	unsigned bus;
	char end;

	if (strncmp(fact->bus_owner, "/machine/peripheral", strlen("/machine/peripheral")) == 0 ||
	    sscanf(fact->bus, "ide.%u%c", &bus, &end) != 1 || fact->units[ADOPT_UNIT] < 0)
		return refuse(plan, found,
			      "is on '%.30s': those of a definition are on the machine's own "
			      "controller, or scsi-cd on a virtio-scsi-pci of their own: start the "
			      "guest with it there",
			      fact->bus);
	cdrom->bus = is_q35 ? VM_DEF_CDROM_BUS_SATA : VM_DEF_CDROM_BUS_IDE;
	cdrom->unit = is_q35 ? bus : bus * 2 + (unsigned)fact->units[ADOPT_UNIT];
	cdrom->has_unit = true;
	return true;
}

/* The -device that has the bus of the CD drive. */
static struct adopt_item *find_controller(struct adopt_plan *plan, const struct found *found)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		struct adopt_item *item = &plan->items[i];
		CLEANUP(free_charp)
		char *path = item->fact ? adopt_object_path(item->fact) : NULL;
		size_t len = path ? strlen(path) : 0;

		if (path && strncmp(found->fact->bus_owner, path, len) == 0 &&
		    strchr("/", found->fact->bus_owner[len]))
			return item;
	}
	return NULL;
}

static bool is_alone(const struct adopt_plan *plan, const struct adopt_device *fact)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->facts->device_count; i++) {
		const struct adopt_device *other = &plan->facts->devices[i];

		count += strcmp(other->bus, fact->bus) == 0 &&
			 strcmp(other->bus_owner, fact->bus_owner) == 0;
	}
	return count == 1;
}

/* A SCSI drive of a definition brings a controller of its own, which has no other options. */
static bool is_own_controller(const struct adopt_item *item)
{
	static const char *const known[] = { "driver", "id", "bus", "addr", NULL };

	return strcmp(item->fact->type, "virtio-scsi-pci") == 0 && adopt_is_on_root(item->fact) &&
	       item->fact->devfn % 8 == 0 && !optlist_stranger(&item->opts, known);
}

static bool place_scsi(struct adopt_plan *plan, struct found *found, struct vm_def_cdrom *cdrom)
{
	const int *units = found->fact->units;
	struct adopt_item *item = find_controller(plan, found);

	if (!item || !is_own_controller(item) || !is_alone(plan, found->fact) ||
	    units[ADOPT_CHANNEL] || units[ADOPT_SCSI_ID] || units[ADOPT_LUN])
		return refuse(plan, found,
			      "is on '%.30s', not alone as 0:0:0 on a virtio-scsi-pci on the root "
			      "bus without more options, as those of a definition are: take it out "
			      "(device_del), or start the guest with it there",
			      found->fact->bus);
	cdrom->bus = VM_DEF_CDROM_BUS_SCSI;
	snprintf(cdrom->pci_address, sizeof(cdrom->pci_address), "0x%x",
		 (unsigned)item->fact->devfn / 8 % 32);
	snprintf(cdrom->device_id, sizeof(cdrom->device_id), "%s", found->fact->device_id);
	found->controller = item;
	return true;
}

static bool place(struct adopt_plan *plan, struct found *found, struct vm_def_cdrom *cdrom)
{
	return strcmp(found->fact->type, "scsi-cd") == 0 ? place_scsi(plan, found, cdrom)
							 : place_ide(plan, found, cdrom);
}

/* ---- what else is said of it ---------------------------------------------------- */

/* Read errors on the host go to the guest, as with every CD drive of a definition. */
static bool reports_errors(const struct optlist *opts)
{
	return optlist_is(opts, "rerror", "report", "report") ||
	       optlist_is(opts, "rerror", "auto", "");
}

/* A serial number other than QEMU's default.  By default QEMU numbers the units of the machine's
 * controller, two per channel (hw/ide/core.c, ide_init_drive()): alike on every host. */
static bool has_serial(const struct adopt_device *fact, const struct vm_def_cdrom *cdrom)
{
	unsigned number = (unsigned)cdrom->unit * (cdrom->bus == VM_DEF_CDROM_BUS_SATA ? 2 : 1) + 1;
	const char *now = fact->now[ADOPT_SERIAL_NOW];
	char usual[24];

	snprintf(usual, sizeof(usual), "QM%05u", number);
	return fact->has[ADOPT_SERIAL_NOW] && *now && !(cdrom->has_unit && !strcmp(now, usual));
}

static bool check_options(struct adopt_plan *plan, const struct found *found,
			  const struct vm_def_cdrom *cdrom)
{
	static const char *const known[] = { "driver",    "id",      "drive",  "bus",
					     "unit",      "channel", "lun",    "scsi-id",
					     "bootindex", "serial",  "werror", "rerror",
					     "device_id", NULL };
	const char *more = found->device ? optlist_stranger(&found->device->opts, known) : NULL;

	if (more)
		return refuse(plan, found,
			      "has '%.40s', which no CD drive of a definition has: start the guest "
			      "without that",
			      more);
	if (has_serial(found->fact, cdrom))
		return refuse(plan, found,
			      "has a serial number ('%.40s'), which no CD drive of a definition "
			      "has: start the guest without that",
			      found->fact->now[ADOPT_SERIAL_NOW]);
	if ((found->device && !reports_errors(&found->device->opts)) ||
	    (found->drive && !reports_errors(&found->drive->opts)))
		return refuse(plan, found,
			      "has another rerror than 'report', which every CD drive of a "
			      "definition has: start the guest without that");
	return true;
}

static void take_boot_index(const struct found *found, struct vm_def_cdrom *cdrom)
{
	const char *now = found->fact->now[ADOPT_BOOTINDEX_NOW];

	cdrom->has_boot_index = found->fact->has[ADOPT_BOOTINDEX_NOW] && *now && *now != '-';
	cdrom->boot_index = cdrom->has_boot_index ? strtoull(now, NULL, 10) : 0;
}

/* ---- what is in it now -------------------------------------------------------------- */

static bool is_local(const char *path)
{
	struct optlist opts = OPTLIST_INIT;
	CLEANUP(free_charp) char *text = NULL;
	struct err ignored;

	optlist_set(&opts, "file", path);
	text = optlist_format(&opts);
	optlist_fini(&opts);
	return !vm_def_check_local("-drive", text, &ignored);
}

static bool take_medium(struct adopt_plan *plan, const struct found *found,
			struct vm_def_cdrom *cdrom)
{
	const struct adopt_block *block = found->block;
	const char *why;

	if (!block->has_medium)
		return true;
	if (!adopt_block_is_plain(block) || !adopt_block_is_file(&plan->facts->blocks, block) ||
	    !vm_def_check_path(block->file, &why) || is_local(block->file))
		return refuse(plan, found,
			      "has '%.60s' (%.20s) in it, no raw or qcow2 image in a file that an "
			      "absolute path alone opens: eject it, or change it for one "
			      "(blockdev-change-medium)",
			      block->file, block->format);
	if (adopt_block_is_throttled(block))
		return refuse(plan, found,
			      "has limits, which no CD drive of a definition has: take them off "
			      "(block_set_io_throttle)");
	snprintf(cdrom->path, sizeof(cdrom->path), "%s", block->file);
	cdrom->format = strcmp(block->format, "qcow2") == 0 ? VM_DEF_DISK_FORMAT_QCOW2
							    : VM_DEF_DISK_FORMAT_RAW;
	if (block->direct || block->no_flush)
		ADOPT_NOTE(plan, found->option,
			   "the medium '%.80s' is opened without its cache options from the first "
			   "move on",
			   block->file);
	return true;
}

static const char *file_of(const struct adopt_item *backend)
{
	static const char *const keys[] = { "file.filename", "filename", "file" };

	for (size_t i = 0; backend && i < ARRAY_LEN(keys); i++) {
		if (optlist_get(&backend->opts, keys[i]))
			return optlist_get(&backend->opts, keys[i]);
	}
	return NULL;
}

/* The file on the command line.  The "file" of a node may be the name of another node. */
static const char *said_file(struct adopt_plan *plan, const struct found *found)
{
	const char *drive = found->device ? optlist_get(&found->device->opts, "drive") : NULL;
	const struct adopt_item *node = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", drive);
	const char *file = file_of(found->drive ? found->drive : node);
	const struct adopt_item *below = adopt_find(plan, ADOPT_BLOCKDEV, "node-name", file);

	return below ? file_of(below) : file;
}

static void note_change(struct adopt_plan *plan, const struct found *found,
			const struct vm_def_cdrom *cdrom)
{
	const char *said = said_file(plan, found);

	if (strcmp(said ? adopt_bare_file(said) : "", cdrom->path) != 0)
		ADOPT_NOTE(plan, found->option,
			   "the command line says '%.80s', and the CD drive '%s' has '%.80s' in it "
			   "now: QEMU counts",
			   said ? said : "no medium", cdrom->id,
			   *cdrom->path ? cdrom->path : "no medium");
	ADOPT_NOTE(plan, found->option,
		   "it is the CD drive '%s' of the definition: its medium is changed by 'vm "
		   "insert' "
		   "and 'vm eject', and the other host of a move must have it too",
		   cdrom->id);
}

/* ---- taking --------------------------------------------------------------------------- */

/* The id is QEMU's own name of the drive, by which it is found again (cmdline/cdrom_seen.h). */
static void make_id(struct adopt_plan *plan, const struct found *found, struct vm_def_cdrom *cdrom)
{
	const char *wanted =
		found->fact->place == ADOPT_NAMED ? found->fact->name : found->block->device;
	const struct adopt_item *other = adopt_find(plan, ADOPT_DEVICE, "id", wanted);

	adopt_make_id(plan, other && other != found->device ? NULL : wanted, "cd", cdrom->id);
}

/* Drops the options that the CD drive of the definition replaces. */
static void drop_options(struct adopt_plan *plan, const struct found *found)
{
	CLEANUP(free_charp) char *said = NULL;

	if (found->device && optlist_get(&found->device->opts, "drive"))
		said = xstrdup(optlist_get(&found->device->opts, "drive"));
	if (found->device)
		found->device->is_gone = true;
	if (found->controller)
		found->controller->is_gone = true;
	if (found->drive)
		found->drive->is_gone = true;
	adopt_drop_node(plan, said);
}

static void take(struct adopt_plan *plan, struct found *found)
{
	struct vm_def *def = plan->def;
	struct vm_def_cdrom cdrom = {
		.tray = found->block->is_open ? VM_DEF_TRAY_OPEN : VM_DEF_TRAY_CLOSED,
	};
	bool ok = place(plan, found, &cdrom);

	ok = ok && check_options(plan, found, &cdrom);
	ok = take_medium(plan, found, &cdrom) && ok;
	if (ok && def->cdrom_count == VM_DEF_CDROM_MAX)
		ok = refuse(plan, found, "is one too many: a definition has room for %d",
			    VM_DEF_CDROM_MAX);
	if (!ok)
		return;
	take_boot_index(found, &cdrom);
	make_id(plan, found, &cdrom);
	note_change(plan, found, &cdrom);
	drop_options(plan, found);
	def->cdroms[def->cdrom_count++] = cdrom;
}

/* ---- what made it ------------------------------------------------------------------------ */

static const struct adopt_device *fact_of(const struct adopt_facts *facts,
					  const struct adopt_block *block)
{
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct adopt_device *device = &facts->devices[i];
		CLEANUP(free_charp) char *path = adopt_object_path(device);

		if (strcmp(block->qdev, path) == 0 ||
		    (device->place == ADOPT_NAMED && strcmp(block->qdev, device->name) == 0))
			return device;
	}
	return NULL;
}

static struct adopt_item *find_device(struct adopt_plan *plan, const struct adopt_device *fact)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		if (plan->items[i].fact == fact)
			return &plan->items[i];
	}
	return NULL;
}

/* The -drive, with any interface; NULL: a -blockdev, or a drive that QEMU made by itself. */
static struct adopt_item *find_drive(struct adopt_plan *plan, const struct adopt_block *block)
{
	for (size_t i = 0; *block->device && i < plan->item_count; i++) {
		CLEANUP(free_charp) char *name = NULL;

		if (plan->items[i].kind != ADOPT_DRIVE)
			continue;
		name = adopt_drive_name(plan, &plan->items[i]);
		if (strcmp(name, block->device) == 0)
			return &plan->items[i];
	}
	return NULL;
}

/* The CD drive that QEMU adds without -nodefaults, at index 2 (system/vl.c, CDROM_ALIAS). */
static bool is_default(const struct adopt_plan *plan, const struct adopt_block *block)
{
	return strcmp(block->device, vm_def_is_q35(plan->def) ? "ide2-cd0" : "ide1-cd0") == 0;
}

/* False: neither the command line nor QEMU's defaults made it. */
static bool explain(struct adopt_plan *plan, struct found *found)
{
	found->device = find_device(plan, found->fact);
	found->drive = find_drive(plan, found->block);
	found->option = found->device  ? found->device->option
			: found->drive ? found->drive->option
				       : "-drive";
	if (found->fact->place != ADOPT_BOARD)
		return found->device != NULL;
	if (!found->drive && is_default(plan, found->block))
		plan->default_cdroms = 1;
	return found->drive || plan->default_cdroms;
}

/* A drive that was plugged in later is refused with all such devices (adopt/{device,drive}.c). */
static void take_block(struct adopt_plan *plan, const struct adopt_block *block)
{
	struct found found = { .block = block, .fact = fact_of(plan->facts, block) };

	if (found.fact && adopt_is_cdrom(found.fact) && explain(plan, &found))
		take(plan, &found);
}

/* ---- what is left ---------------------------------------------------------------------------- */

/* -drive media=cdrom makes a CD drive of other devices too (usb-storage): those are refused. */
static void end_drive(struct adopt_plan *plan, struct adopt_item *item)
{
	CLEANUP(free_charp) char *name = adopt_drive_name(plan, item);
	const struct adopt_block *block = adopt_block_of_drive(&plan->facts->blocks, name);
	const struct adopt_device *fact = block ? fact_of(plan->facts, block) : NULL;

	if (block && !block->has_tray && file_of(item))
		adopt_check_file(plan, item->option, file_of(item));
	else if (block && block->has_tray && (!fact || !adopt_is_cdrom(fact)))
		ADOPT_REFUSE(plan, item->option,
			     "the CD drive '%.30s' is neither ide-cd nor scsi-cd, and a definition "
			     "has no other: take it out (device_del), or start the guest with one "
			     "of those",
			     name);
}

/* An IDE -drive without an index counts the drives before it.  When CD drives among them are
 * dropped, its place is written out. */
void adopt_cdroms_end(struct adopt_plan *plan)
{
	bool has_ide = false;

	for (size_t i = 0; i < plan->facts->blocks.count; i++)
		take_block(plan, &plan->facts->blocks.list[i]);
	for (size_t i = 0; i < plan->item_count; i++) {
		struct adopt_item *item = &plan->items[i];

		if (adopt_is_cd_drive(item) && !item->is_gone)
			end_drive(plan, item);
		has_ide = has_ide || (adopt_is_cd_drive(item) && item->is_gone);
	}
	for (size_t i = 0; has_ide && i < plan->item_count; i++) {
		struct adopt_item *item = &plan->items[i];

		if (item->kind == ADOPT_DRIVE && !item->is_gone &&
		    optlist_is(&item->opts, "if", "ide", "ide"))
			adopt_pin_place(plan, item);
	}
}
