/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images: a plain one on virtio-blk becomes a disk of the definition; any other
 * stays as it is, with what QEMU would choose by itself written out. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"
#include "wire/vm_def_local.h"

/* ---- what a drive says ---------------------------------------------------- */

static bool is_if(const struct optlist *opts, const char *interface)
{
	return optlist_is(opts, "if", interface, "ide");
}

/* Applies the rule of every definition (wire/vm_def_local.h); a refusal names the option. */
static void check_local(struct adopt_plan *plan, const struct adopt_option *option,
			const char *value)
{
	struct err err;

	if (!vm_def_check_local(option->name, value, &err))
		ADOPT_REFUSE(plan, option->name, "%s", err.msg);
}

void adopt_check_file(struct adopt_plan *plan, const char *option, const char *file)
{
	if (file[0] != '/' && !strchr(file, ':'))
		ADOPT_REFUSE(plan, option,
			     "'%.80s' is relative to where that QEMU was started: only an absolute "
			     "path names an image on another host",
			     file);
}

/* ---- taking ---------------------------------------------------------------- */

void adopt_take_drive(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	static const char *const interfaces[] = { "none", "virtio", "ide", "floppy" };
	struct adopt_item *item = adopt_add_list(plan, ADOPT_DRIVE, option->name, value, NULL);
	const char *file = item ? optlist_get(&item->opts, "file") : NULL;
	bool is_known = false;

	for (size_t i = 0; item && i < ARRAY_LEN(interfaces); i++)
		is_known = is_known || is_if(&item->opts, interfaces[i]);
	if (item && !is_known)
		ADOPT_REFUSE(plan, option->name, "if=%.20s is not known to move",
			     optlist_get(&item->opts, "if"));
	check_local(plan, option, value);
	if (file && !adopt_is_cd_drive(item))
		adopt_check_file(plan, option->name, file);
}

/* "-hda FILE" is "-drive file=FILE,if=ide,index=0,media=disk". */
void adopt_take_old_drive(struct adopt_plan *plan, const struct adopt_option *option,
			  const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_DRIVE, "-drive", option->why, NULL);

	if (!item)
		return;
	adopt_change(item, "file", value);
	check_local(plan, option, value);
	if (!adopt_is_cd_drive(item))
		adopt_check_file(plan, option->name, value);
}

void adopt_take_blockdev(struct adopt_plan *plan, const struct adopt_option *option,
			 const char *value)
{
	struct adopt_item *item =
		adopt_add_list(plan, ADOPT_BLOCKDEV, option->name, value, "driver");
	const char *file = item ? optlist_get(&item->opts, "file.filename") : NULL;

	check_local(plan, option, value);
	if (item && !file)
		file = optlist_get(&item->opts, "filename");
	if (file)
		adopt_check_file(plan, option->name, file);
}

/* ---- a disk of the definition -------------------------------------------------- */

static int index_of(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++) {
		if (name && strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

static bool map_drive(const struct optlist *opts, struct vm_def_disk *disk)
{
	static const char *const known[] = { "file",  "if",    "id",       "format", "media",
					     "cache", "index", "readonly", NULL };
	const char *cache = optlist_get(opts, "cache");

	disk->format = index_of(vm_def_disk_format_names, optlist_get(opts, "format"));
	disk->cache = index_of(vm_def_disk_cache_names, cache ? cache : "writeback");
	disk->readonly = optlist_is(opts, "readonly", "on", "off");
	return !optlist_stranger(opts, known) && optlist_is(opts, "media", "disk", "disk");
}

static bool map_blockdev(const struct optlist *opts, struct vm_def_disk *disk)
{
	static const char *const known[] = { "driver",
					     "node-name",
					     "read-only",
					     "file.driver",
					     "file.filename",
					     "cache.direct",
					     "cache.no-flush",
					     "file.cache.direct",
					     "file.cache.no-flush",
					     NULL };
	bool direct = optlist_is(opts, "cache.direct", "on", "off");
	bool no_flush = optlist_is(opts, "cache.no-flush", "on", "off");

	disk->format = index_of(vm_def_disk_format_names, optlist_get(opts, "driver"));
	disk->cache = direct     ? VM_DEF_DISK_CACHE_NONE
		      : no_flush ? VM_DEF_DISK_CACHE_UNSAFE
				 : VM_DEF_DISK_CACHE_WRITEBACK;
	disk->readonly = optlist_is(opts, "read-only", "on", "off");
	return !optlist_stranger(opts, known) && !(direct && no_flush) &&
	       optlist_is(opts, "file.driver", "file", "");
}

static bool map_device(const struct optlist *opts, struct vm_def_disk *disk)
{
	static const char *const known[] = { "driver", "id",        "drive", "addr",
					     "bus",    "bootindex", NULL };
	const char *boot = optlist_get(opts, "bootindex");

	disk->has_boot_index = boot != NULL;
	disk->boot_index = boot ? strtoull(boot, NULL, 10) : 0;
	return !optlist_stranger(opts, known) && !optlist_get(opts, "multifunction");
}

bool adopt_map_disk(struct adopt_plan *plan, struct adopt_item *backend,
		    const struct optlist *device, const struct adopt_device *fact)
{
	struct vm_def *def = plan->def;
	struct vm_def_disk disk = { .shared = plan->wishes->disks_shared };
	const struct optlist *opts = &backend->opts;
	const char *file =
		optlist_get(opts, backend->kind == ADOPT_BLOCKDEV ? "file.filename" : "file");
	bool ok = backend->kind == ADOPT_BLOCKDEV ? map_blockdev(opts, &disk)
						  : map_drive(opts, &disk);

	ok = ok && file && file[0] == '/' && strlen(file) < sizeof(disk.path) && disk.format >= 0 &&
	     disk.cache >= 0 && (!device || map_device(device, &disk)) && adopt_is_on_root(fact) &&
	     fact->devfn % 8 == 0 && def->disk_count < VM_DEF_DISK_MAX;
	if (!ok)
		return false;
	snprintf(disk.path, sizeof(disk.path), "%s", file);
	snprintf(disk.pci_address, sizeof(disk.pci_address), "0x%x",
		 (unsigned)fact->devfn / 8 % 32);
	adopt_make_id(plan, optlist_get(device ? device : opts, "id"), "disk", disk.id);
	def->disks[def->disk_count++] = disk;
	backend->is_gone = true;
	return true;
}

/* ---- the end ---------------------------------------------------------------------- */

/* `if=virtio' stands for a device without an id, made after all others. */
static void end_virtio(struct adopt_plan *plan, struct adopt_item *item, size_t number)
{
	const struct adopt_device *fact =
		adopt_device_nth(plan->facts, ADOPT_ANONYMOUS, NULL, number);
	char id[VM_DEF_ID_SIZE], addr[16];

	if (!fact || strcmp(fact->type, "virtio-blk-pci") != 0) {
		ADOPT_REFUSE(plan, item->option, "QEMU does not have the device of this drive");
		return;
	}
	if (adopt_map_disk(plan, item, NULL, fact))
		return;
	adopt_make_id(plan, optlist_get(&item->opts, "id"), "disk", id);
	adopt_change(item, "if", "none");
	adopt_change(item, "id", id);
	optlist_remove(&item->opts, "index");
	adopt_print_addr(fact, addr);
	adopt_addf(plan, "-device", "virtio-blk-pci,drive=%s,addr=%s", id, addr);
}

/* A move checks by the mark `shared' whether it may leave an image where it is
 * (move/moves_start.c).  An image that stays in an argument has no mark, so it is checked here. */
static void check_kept(struct adopt_plan *plan, const struct adopt_item *item)
{
	const struct optlist *opts = &item->opts;
	const char *file = optlist_get(opts, "file");
	bool is_written = optlist_is(opts, "readonly", "off", "off") &&
			  optlist_is(opts, "read-only", "off", "off") &&
			  optlist_is(opts, "media", "disk", "disk");

	if (!file)
		file = optlist_get(opts, "file.filename");
	if (!file)
		file = optlist_get(opts, "filename");
	if (!file)
		return;
	if (is_written && !plan->wishes->disks_shared)
		ADOPT_REFUSE(plan, item->option,
			     "'%.80s' can be written, and could not be copied: it can be carried "
			     "over "
			     "only if both hosts of a move see it (disks_shared; migrctl: "
			     "--disks-shared)",
			     file);
	else
		ADOPT_NOTE(plan, item->option, "the other host of a move must have '%.120s' too",
			   file);
}

void adopt_drives_end(struct adopt_plan *plan, size_t first)
{
	size_t count = plan->item_count;
	size_t anonymous = adopt_device_count(plan->facts, ADOPT_ANONYMOUS, NULL);

	for (size_t i = 0; i < count; i++) {
		struct adopt_item *item = &plan->items[i];

		if (item->kind == ADOPT_DRIVE && is_if(&item->opts, "virtio"))
			end_virtio(plan, item, first++);
		if ((item->kind == ADOPT_DRIVE || item->kind == ADOPT_BLOCKDEV) && !item->is_gone)
			check_kept(plan, item);
	}
	for (; first < anonymous; first++)
		ADOPT_REFUSE(plan, "-device",
			     "QEMU has a device '%s' that its command line does not tell of: it "
			     "was "
			     "plugged in later",
			     adopt_device_nth(plan->facts, ADOPT_ANONYMOUS, NULL, first)->type);
}
