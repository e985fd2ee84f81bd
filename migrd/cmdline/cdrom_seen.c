/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline/cdrom_seen.h"

#include <stdio.h>
#include <string.h>

#include "wire/vm_def_check.h"

#define PERIPHERAL "/machine/peripheral/"

/* ---- which drive it is ----------------------------------------------------- */

/* Of QEMU's drives only CD drives have a tray (BlockInfo's tray_open). */
static bool is_drive(struct json_object *block)
{
	return json_object_is_type(block, json_type_object) &&
	       json_object_object_get_ex(block, "tray_open", NULL) && json_get_str(block, "qdev");
}

typedef bool is_called_fn(struct json_object *block, const char *id);

static bool has_id(struct json_object *block, const char *id)
{
	const char *qdev = json_get_str(block, "qdev");

	if (strncmp(qdev, PERIPHERAL, strlen(PERIPHERAL)) == 0)
		qdev += strlen(PERIPHERAL);
	return strcmp(qdev, id) == 0;
}

/* ID is the name of the drive's -drive; QEMU gives a name to one that has none. */
static bool has_name(struct json_object *block, const char *id)
{
	const char *device = json_get_str(block, "device");

	return device && strcmp(device, id) == 0;
}

static struct json_object *find(struct json_object *blocks, const char *id, is_called_fn *is_called)
{
	for (size_t i = 0; i < json_count(blocks); i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);

		if (is_drive(block) && is_called(block, id))
			return block;
	}
	return NULL;
}

static struct json_object *find_id(struct json_object *blocks, const char *id)
{
	struct json_object *block = find(blocks, id, has_id);

	return block ? block : find(blocks, id, has_name);
}

/* BLOCK is a CD drive of DEF by its id, or another device of DEF. */
static bool is_known(struct json_object *blocks, struct json_object *block,
		     const struct vm_def *def)
{
	for (size_t i = 0; i < def->cdrom_count; i++)
		if (find_id(blocks, def->cdroms[i].id) == block)
			return true;
	for (size_t i = 0; i < def->device_count; i++)
		if (has_id(block, def->devices[i].id))
			return true;
	return false;
}

/* The N-th CD drive that DEF does not name; NULL if there are not exactly COUNT of
 * them. */
static struct json_object *find_stranger(struct json_object *blocks, const struct vm_def *def,
					 size_t n, size_t count)
{
	struct json_object *found = NULL;
	size_t seen = 0;

	for (size_t i = 0; i < json_count(blocks); i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);

		if (!is_drive(block) || is_known(blocks, block, def))
			continue;
		if (seen++ == n)
			found = block;
	}
	return seen == count ? found : NULL;
}

/* QEMU lists drives in the order in which they were made, and an adopted definition has
 * them in that order too (adopt/cdrom.c). */
static struct json_object *find_in_order(struct json_object *blocks, const struct vm_def *def,
					 size_t index)
{
	size_t before = 0, count = 0;

	for (size_t i = 0; i < def->cdrom_count; i++) {
		bool is_unnamed = !find_id(blocks, def->cdroms[i].id);

		before += is_unnamed && i < index;
		count += is_unnamed;
	}
	return find_stranger(blocks, def, before, count);
}

/* ---- what it has ------------------------------------------------------------- */

bool cdrom_seen_find(struct json_object *blocks, const struct vm_def *def, size_t index,
		     struct cdrom_seen *ret)
{
	struct json_object *block = find_id(blocks, def->cdroms[index].id), *inserted;

	if (!block)
		block = find_in_order(blocks, def, index);
	if (!block)
		return false;
	*ret = (struct cdrom_seen){
		.qdev = json_get_str(block, "qdev"),
		.is_open = json_get_bool(block, "tray_open", false),
	};
	inserted = json_get_obj(block, "inserted");
	if (!inserted)
		return true;
	ret->node = json_get_str(inserted, "node-name");
	ret->path = json_get_str(inserted, "file");
	ret->format = json_get_str(inserted, "drv");
	ret->node = ret->node ? ret->node : "";
	ret->path = ret->path ? ret->path : "?";
	ret->format = ret->format ? ret->format : "?";
	return true;
}

/* The names of a definition's formats are those of QEMU's block drivers; raw images are
 * opened by `raw' over `file', whose path QEMU tells. */
static int format_of(const struct cdrom_seen *seen)
{
	for (int i = 0; vm_def_disk_format_names[i]; i++)
		if (strcmp(vm_def_disk_format_names[i], seen->format) == 0)
			return i;
	return -1;
}

bool cdrom_seen_has(const struct cdrom_seen *seen, const char *path, int format)
{
	if (!seen->node || !*path)
		return !seen->node && !*path;
	return strcmp(seen->path, path) == 0 && format_of(seen) == format;
}

static bool can_be_named(const struct cdrom_seen *seen)
{
	const char *why;

	return strlen(seen->path) < VM_DEF_PATH_SIZE && vm_def_check_path(seen->path, &why) &&
	       format_of(seen) >= 0;
}

bool cdrom_seen_take(const struct cdrom_seen *seen, struct vm_def_cdrom *cdrom, bool *ret_changed,
		     struct err *err)
{
	int tray = seen->is_open ? VM_DEF_TRAY_OPEN : VM_DEF_TRAY_CLOSED;

	if (cdrom->tray != tray) {
		cdrom->tray = tray;
		*ret_changed = true;
	}
	if (cdrom_seen_has(seen, cdrom->path, cdrom->format))
		return true;
	if (seen->node && !can_be_named(seen))
		return err_set(err, ERR_INVALID,
			       "the CD drive '%s' has '%.200s' (%.20s) in it, which is no image "
			       "that a path alone opens",
			       cdrom->id, seen->path, seen->format);
	snprintf(cdrom->path, sizeof(cdrom->path), "%s", seen->node ? seen->path : "");
	cdrom->format = seen->node ? format_of(seen) : VM_DEF_DISK_FORMAT_RAW;
	*ret_changed = true;
	return true;
}

bool cdrom_seen_check(struct json_object *blocks, const struct vm_def *def, struct err *err)
{
	for (size_t i = 0; i < def->cdrom_count; i++) {
		const struct vm_def_cdrom *cdrom = &def->cdroms[i];
		struct cdrom_seen seen;

		if (!cdrom_seen_find(blocks, def, i, &seen))
			return err_set(err, ERR_CONFLICT,
				       "QEMU has no CD drive '%s', which the definition has: "
				       "remove it there when the VM is stopped",
				       cdrom->id);
		if (!cdrom_seen_has(&seen, cdrom->path, cdrom->format))
			return err_set(err, ERR_CONFLICT,
				       "the CD drive '%s' has '%.200s' in it, and its definition "
				       "says '%.200s': eject it, or insert a medium",
				       cdrom->id, seen.node ? seen.path : "no medium",
				       *cdrom->path ? cdrom->path : "no medium");
	}
	return true;
}
