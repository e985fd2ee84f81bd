/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU says of the disks of a guest, and which of them can be backed up how.  Pure. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmdline/plug.h"
#include "vmbackup/priv.h"
#include "wire/disk_copy.h"
#include "wire/extra_arg.h"

#define BITMAP_PREFIX VM_DEF_OWN_PREFIX "backup-"

void vmbackup_job_name(const char *disk_id, char ret[VMBACKUP_JOB_SIZE])
{
	snprintf(ret, VMBACKUP_JOB_SIZE, VM_DEF_OWN_PREFIX "%s", disk_id);
}

void vmbackup_bitmap_name(const char *id, const char *disk_id, char ret[VMBACKUP_BITMAP_SIZE])
{
	snprintf(ret, VMBACKUP_BITMAP_SIZE, BITMAP_PREFIX "%s-%s", id, disk_id);
}

bool vmbackup_bitmap_of(const char *name, const char *disk_id, char ret_id[ID_UUID_SIZE])
{
	const char *id = name + strlen(BITMAP_PREFIX);

	if (strncmp(name, BITMAP_PREFIX, strlen(BITMAP_PREFIX)) != 0 || strlen(id) < ID_UUID_SIZE ||
	    id[ID_UUID_SIZE - 1] != '-' || strcmp(id + ID_UUID_SIZE, disk_id) != 0)
		return false;
	snprintf(ret_id, ID_UUID_SIZE, "%s", id);
	return id_uuid_is_valid(ret_id);
}

/* ---- which disks -------------------------------------------------------------------- */

static bool wants(const struct vmbackup_request *wish, const char *id)
{
	for (size_t i = 0; i < wish->disk_count; i++) {
		if (strcmp(wish->disks[i], id) == 0)
			return true;
	}
	return wish->disk_count == 0;
}

static bool find_node(struct json_object *blocks, struct vmbackup_disk *disk, struct err *err)
{
	const char *node = qmp_block_node(blocks, disk->id);

	/* Of the guest's flash memory QEMU tells a path of its own; its node has the name that the
	 * command line gave it. */
	if (strcmp(disk->id, VM_DEF_VARS_ID) == 0)
		plug_disk_node(disk->node, sizeof(disk->node), disk->id);
	else if (!node)
		return err_set(err, ERR_QEMU, "QEMU does not tell the image of disk '%s'",
			       disk->id);
	else
		snprintf(disk->node, sizeof(disk->node), "%s", node);
	disk->allocated_bytes = qmp_block_below_bytes(blocks, disk->id);
	return true;
}

static bool add_disk(const char *id, struct json_object *blocks, struct vmbackup_detail *detail,
		     struct err *err)
{
	struct vmbackup_disk *disk = &detail->disks[detail->disk_count];

	memset(disk, 0, sizeof(*disk));
	snprintf(disk->id, sizeof(disk->id), "%s", id);
	snprintf(disk->file, sizeof(disk->file), "%s.qcow2", id);
	if (blocks && !find_node(blocks, disk, err))
		return false;
	detail->disk_count++;
	return true;
}

static bool add_disks(const struct vm_def *def, const struct vmbackup_request *wish,
		      struct json_object *blocks, struct vmbackup_detail *detail, struct err *err)
{
	for (size_t i = 0; i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];
		bool is_wanted = wish->disk_count ? wants(wish, disk->id) : !disk->readonly;

		if (is_wanted && !add_disk(disk->id, blocks, detail, err))
			return false;
	}
	return !vm_def_has_firmware(def) || !wants(wish, VM_DEF_VARS_ID) ||
	       add_disk(VM_DEF_VARS_ID, blocks, detail, err);
}

static bool is_in(const struct vmbackup_detail *detail, const char *id)
{
	for (size_t i = 0; i < detail->disk_count; i++) {
		if (strcmp(detail->disks[i].id, id) == 0)
			return true;
	}
	return false;
}

/* Who names the disks knows what is left out. */
static bool check_raw_options(const struct vm_def *def, const struct vmbackup_request *wish,
			      struct err *err)
{
	const char *option = wish->disk_count ? NULL : extra_arg_written(def);

	return !option || err_set(err, ERR_CONFLICT,
				  "the guest may write to -%s of extra_args, of which there would "
				  "be no backup: name the disks that are enough, or make it one of "
				  "`disks'",
				  option);
}

bool vmbackup_look_at(const struct vm_def *def, const struct vmbackup_request *wish,
		      struct json_object *blocks, struct vmbackup_detail *detail, struct err *err)
{
	detail->disk_count = 0;
	if (!check_raw_options(def, wish, err) || !add_disks(def, wish, blocks, detail, err))
		return false;
	for (size_t i = 0; i < wish->disk_count; i++) {
		if (!is_in(detail, wish->disks[i]))
			return err_set(err, ERR_NOT_FOUND, "the VM has no disk '%s'",
				       wish->disks[i]);
	}
	return detail->disk_count > 0 ||
	       err_set(err, ERR_CONFLICT, "the VM has no disk to which its guest may write");
}

/* ---- what QEMU says of them ------------------------------------------------------------ */

/* Kept in their order, the newest first; the oldest falls out. */
static size_t note_bitmap(struct vmbackup_detail *detail, const char *id)
{
	size_t at = 0;

	while (at < detail->bitmap_count && strcmp(detail->bitmaps[at], id) > 0)
		at++;
	if (at < detail->bitmap_count && strcmp(detail->bitmaps[at], id) == 0)
		return at;
	if (at == VMBACKUP_BITMAPS_MAX)
		return at;
	if (detail->bitmap_count == VMBACKUP_BITMAPS_MAX)
		detail->bitmap_count--;
	for (size_t i = detail->bitmap_count; i > at; i--) {
		memcpy(detail->bitmaps[i], detail->bitmaps[i - 1], ID_UUID_SIZE);
		detail->may_follow[i] = detail->may_follow[i - 1];
	}
	snprintf(detail->bitmaps[at], ID_UUID_SIZE, "%s", id);
	detail->may_follow[at] = 0;
	detail->bitmap_count++;
	return at;
}

static void look_at_bitmaps(struct json_object *nodes, struct vmbackup_detail *detail,
			    size_t number)
{
	const struct vmbackup_disk *disk = &detail->disks[number];
	char id[ID_UUID_SIZE];
	struct qmp_bitmap bitmap;

	for (size_t i = 0; qmp_bitmap_get(nodes, disk->node, i, &bitmap); i++) {
		size_t at;

		if (!vmbackup_bitmap_of(bitmap.name, disk->id, id))
			continue;
		at = note_bitmap(detail, id);
		if (at < VMBACKUP_BITMAPS_MAX && bitmap.is_recording && bitmap.is_persistent &&
		    !bitmap.is_inconsistent && !bitmap.is_busy)
			detail->may_follow[at] |= UINT64_C(1) << number;
	}
}

/* In which form no bitmap can be kept; NULL: it can. */
static const char *bitmap_refused(const struct vmbackup_disk *disk, const struct disk_copy *image)
{
	if (strcmp(disk->id, VM_DEF_VARS_ID) == 0)
		return "the variables of the firmware are copied whole each time";
	if (image->format != VM_DEF_DISK_FORMAT_QCOW2)
		return "its image is raw, and what changes is noted only in qcow2 images";
	if (image->compat == DISK_COPY_COMPAT_0_10)
		return "its image has version 2 of qcow2 (compat=0.10), which keeps no bitmaps";
	return NULL;
}

bool vmbackup_look_at_nodes(struct json_object *nodes, struct vmbackup_detail *detail,
			    struct err *err)
{
	_Static_assert(VM_DEF_IMAGE_MAX <= 64, "a bit of may_follow for each disk");
	detail->bitmap_count = 0;
	for (size_t i = 0; i < detail->disk_count; i++) {
		struct vmbackup_disk *disk = &detail->disks[i];
		const char *backing, *why;
		struct disk_copy image;

		memset(&image, 0, sizeof(image));
		if (!disk_copy_read(nodes, disk->node, &image, &backing, err))
			return err_wrap(err, "disk '%s'", disk->id);
		disk->virtual_bytes = image.virtual_bytes;
		disk->total_bytes = image.virtual_bytes;
		/* That of the files below is there already. */
		disk->allocated_bytes += image.allocated_bytes;
		if (disk->allocated_bytes > disk->virtual_bytes)
			disk->allocated_bytes = disk->virtual_bytes;
		why = bitmap_refused(disk, &image);
		disk->has_bitmap = !why;
		if (why)
			snprintf(disk->why_full, sizeof(disk->why_full), "%s", why);
		else
			look_at_bitmaps(nodes, detail, i);
	}
	return true;
}
