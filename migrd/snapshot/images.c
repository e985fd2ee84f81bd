/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot/images.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "vm/disk_limits.h"
#include "wire/extra_arg.h"

/* ---- the images ----------------------------------------------------------------------- */

void snapshot_images_init(struct snapshot_images *images, const struct vm_def *def)
{
	memset(images, 0, sizeof(*images));
	for (size_t i = 0; i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];
		struct snapshot_image *image = &images->list[images->count];

		if (disk->readonly)
			continue;
		memcpy(image->disk, disk->id, sizeof(image->disk));
		memcpy(image->path, disk->path, sizeof(image->path));
		image->format = disk->format;
		images->count++;
	}
}

static void forget(struct snapshot_image *image)
{
	for (size_t i = 0; i < image->bitmap_count; i++)
		free(image->bitmaps[i]);
	free(TAKE_PTR(image->bitmaps));
	free(TAKE_PTR(image->list));
	image->count = image->bitmap_count = 0;
}

void snapshot_images_fini(struct snapshot_images *images)
{
	for (size_t i = 0; i < images->count; i++)
		forget(&images->list[i]);
}

static bool take_snapshots(struct snapshot_image *image, struct json_object *list, struct err *err)
{
	size_t count = json_count(list);

	if (count > SNAPSHOTS_MAX)
		return err_set(err, ERR_LIMIT,
			       "the image of disk '%s' has %zu snapshots, and at most %d are "
			       "looked "
			       "at: delete some with qemu-img",
			       image->disk, count, SNAPSHOTS_MAX);
	image->list = xcalloc(count ? count : 1, sizeof(*image->list));
	for (size_t i = 0; i < count; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct snapshot_seen *seen = &image->list[image->count++];
		const char *name = json_get_str(one, "name");
		int64_t memory = json_get_int(one, "vm-state-size", 0);

		snprintf(seen->full, sizeof(seen->full), "%s", name ? name : "");
		seen->created_ms = json_get_int(one, "date-sec", 0) * 1000 +
				   json_get_int(one, "date-nsec", 0) / 1000000;
		seen->memory_bytes = memory > 0 ? (uint64_t)memory : 0;
	}
	return true;
}

/* {"format-specific": {"data": {"bitmaps": [{"name": "b0"}]}}} */
static void take_bitmaps(struct snapshot_image *image, struct json_object *info)
{
	struct json_object *data = json_get_obj(json_get_obj(info, "format-specific"), "data");
	struct json_object *list = json_object_object_get(data, "bitmaps");
	size_t count = json_count(list);

	image->bitmaps = xcalloc(count ? count : 1, sizeof(*image->bitmaps));
	for (size_t i = 0; i < count; i++) {
		const char *name = json_get_str(json_object_array_get_idx(list, i), "name");

		if (name)
			image->bitmaps[image->bitmap_count++] = xstrdup(name);
	}
}

bool snapshot_image_take(struct snapshot_image *image, struct json_object *info, struct err *err)
{
	forget(image);
	if (!take_snapshots(image, json_object_object_get(info, "snapshots"), err))
		return false;
	take_bitmaps(image, info);
	return true;
}

/* {"qdev": "/machine/peripheral/d/virtio-backend", "inserted": {"node-name": ..., "image": {}}} */
static struct json_object *inserted_of(struct json_object *blocks, const struct vm_def *def,
				       const char *disk)
{
	for (size_t i = 0; i < json_count(blocks); i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);
		const char *qdev = json_get_str(block, "qdev");
		const char *id = qdev ? disk_limits_drive(def, qdev) : NULL;

		if (id && strcmp(id, disk) == 0)
			return json_get_obj(block, "inserted");
	}
	return NULL;
}

bool snapshot_images_take_blocks(struct snapshot_images *images, const struct vm_def *def,
				 struct json_object *blocks, struct err *err)
{
	for (size_t i = 0; i < images->count; i++) {
		struct snapshot_image *image = &images->list[i];
		struct json_object *inserted = inserted_of(blocks, def, image->disk);
		const char *node = json_get_str(inserted, "node-name");

		if (!node)
			return err_set(err, ERR_CONFLICT, "QEMU has no disk '%s' at the moment",
				       image->disk);
		snprintf(image->node, sizeof(image->node), "%s", node);
		if (!snapshot_image_take(image, json_get_obj(inserted, "image"), err))
			return false;
	}
	return true;
}

static bool is_named(const char *full, const char *name, size_t len)
{
	const char *description;

	return snapshot_split(full, &description) == len && strncmp(full, name, len) == 0;
}

const char *snapshot_image_find(const struct snapshot_image *image, const char *name,
				size_t *ret_count)
{
	const char *found = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < image->count; i++) {
		if (!is_named(image->list[i].full, name, strlen(name)))
			continue;
		found = image->list[i].full;
		++*ret_count;
	}
	return found;
}

/* ---- what forbids it ------------------------------------------------------------------- */

static bool check_raw_options(const struct vm_def *def, struct err *err)
{
	const char *option = extra_arg_written(def);

	return !option || err_set(err, ERR_CONFLICT,
				  "the guest may write to -%s of extra_args, of which there would "
				  "be no snapshot: make it one of `disks', or read-only",
				  option);
}

bool snapshot_judge_definition(const struct vm_def *def, struct err *err)
{
	size_t written = 0;

	for (size_t i = 0; i < def->disk_count; i++) {
		const struct vm_def_disk *disk = &def->disks[i];

		if (disk->readonly)
			continue;
		written++;
		if (disk->format != VM_DEF_DISK_FORMAT_QCOW2)
			return err_set(err, ERR_CONFLICT,
				       "disk '%s' is %s, and only qcow2 images have snapshots: "
				       "convert it with qemu-img, or copy the disks with a live "
				       "save",
				       disk->id, vm_def_disk_format_names[disk->format]);
	}
	if (!written)
		return err_set(err, ERR_CONFLICT, "the guest has no disk to which it may write");
	return check_raw_options(def, err);
}

bool snapshot_judge_create(const struct snapshot_images *images, const char *name, struct err *err)
{
	size_t count;

	for (size_t i = 0; i < images->count; i++)
		if (snapshot_image_find(&images->list[i], name, &count))
			return err_set(err, ERR_EXISTS,
				       "disk '%s' has a snapshot '%s' already: delete that, or "
				       "take "
				       "another name",
				       images->list[i].disk, name);
	return true;
}

bool snapshot_judge_delete(const struct snapshot_images *images, const char *name, struct err *err)
{
	size_t all = 0, count;

	for (size_t i = 0; i < images->count; i++) {
		snapshot_image_find(&images->list[i], name, &count);
		all += count;
		if (count > 1)
			return err_set(err, ERR_CONFLICT,
				       "disk '%s' has %zu snapshots '%.63s': only qemu-img can "
				       "tell "
				       "them apart, by their numbers",
				       images->list[i].disk, count, name);
	}
	if (!all)
		return err_set(err, ERR_NOT_FOUND, "there is no snapshot '%.63s'", name);
	if (snapshot_is_number(name))
		return err_set(err, ERR_CONFLICT,
			       "snapshot '%.63s' was made by another program, and qemu-img takes "
			       "its "
			       "name for a number: use that yourself",
			       name);
	return true;
}

bool snapshot_judge_revert(const struct snapshot_images *images, const char *name, struct err *err)
{
	size_t count;

	if (!snapshot_judge_delete(images, name, err))
		return false;
	for (size_t i = 0; i < images->count; i++)
		if (!snapshot_image_find(&images->list[i], name, &count))
			return err_set(err, ERR_CONFLICT,
				       "disk '%s' has no snapshot '%s', so the disks would be of "
				       "different times: detach it first, or revert to another",
				       images->list[i].disk, name);
	return true;
}

/* ---- what is shown ------------------------------------------------------------------------ */

/* The first image that has a snapshot of that name tells time and description. */
static bool is_first(const struct snapshot_images *images, size_t image, size_t at)
{
	const char *full = images->list[image].list[at].full, *description;
	size_t len = snapshot_split(full, &description);

	for (size_t i = 0; i <= image; i++) {
		const struct snapshot_image *other = &images->list[i];

		for (size_t j = 0; j < (i == image ? at : other->count); j++)
			if (is_named(other->list[j].full, full, len))
				return false;
	}
	return true;
}

static struct json_object *show(const struct snapshot_images *images,
				const struct snapshot_seen *seen)
{
	const char *disks[VM_DEF_DISK_MAX], *missing[VM_DEF_DISK_MAX], *description;
	size_t len = snapshot_split(seen->full, &description), count;
	CLEANUP(free_charp) char *name = xstrndup(seen->full, len);
	struct snapshot_reply reply = { .name = name,
					.description = *description ? description : NULL,
					.created_at = seen->created_ms,
					.disks = disks,
					.missing = missing,
					.memory_bytes = seen->memory_bytes };

	for (size_t i = 0; i < images->count; i++) {
		const struct snapshot_image *image = &images->list[i];

		if (snapshot_image_find(image, name, &count))
			disks[reply.disk_count++] = image->disk;
		else
			missing[reply.missing_count++] = image->disk;
	}
	reply.complete = !reply.missing_count;
	return json_encode(snapshot_reply_fields, &reply);
}

static int compare(const void *a, const void *b)
{
	const struct snapshot_seen *const *left = a, *const *right = b;

	if ((*left)->created_ms != (*right)->created_ms)
		return (*left)->created_ms < (*right)->created_ms ? -1 : 1;
	return strcmp((*left)->full, (*right)->full);
}

struct json_object *snapshot_images_json(const struct snapshot_images *images)
{
	struct json_object *array = json_object_new_array();
	const struct snapshot_seen **order;
	size_t total = 0, count = 0;

	for (size_t i = 0; i < images->count; i++)
		total += images->list[i].count;
	order = xcalloc(total ? total : 1, sizeof(const struct snapshot_seen *));
	for (size_t i = 0; i < images->count; i++)
		for (size_t j = 0; j < images->list[i].count; j++)
			if (is_first(images, i, j))
				order[count++] = &images->list[i].list[j];
	qsort(order, count, sizeof(const struct snapshot_seen *), compare);
	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, show(images, order[i]));
	free(order);
	return array;
}
