/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/bitmaps.h"

#include <stdio.h>
#include <string.h>

#include "cmdline/plug.h"

/* Of a name that QEMU sends (qapi/migration.json, BitmapMigrationBitmapAlias). */
#define NAME_MAX_BYTES 255
#define COPY_NAME_SIZE (sizeof(MOVE_BITMAP_COPY) + 20) /* digits of a size_t */

/* A byte for each bit, whatever is set in it (dirty_bitmap_state_pending()). */
static uint64_t counted_bytes(const struct qmp_bitmap *bitmap, uint64_t virtual_bytes)
{
	return virtual_bytes / bitmap->granularity + 1;
}

/* QEMU ends the migration if a bitmap of a node from which it sends any is not whole, or that node
 * is only read. */
static bool can_send(struct json_object *nodes, const char *node, const struct vm_def_disk *disk)
{
	struct qmp_bitmap bitmap;

	for (size_t i = 0; qmp_bitmap_get(nodes, node, i, &bitmap); i++) {
		if (bitmap.is_inconsistent || bitmap.is_busy)
			return false;
	}
	return !disk->readonly;
}

void move_bitmaps_choose(struct json_object *nodes, const char *node,
			 const struct vm_def_disk *disk, uint64_t virtual_bytes,
			 struct move_bitmap_sums *sums, struct move_bitmaps *ret)
{
	bool may_go = can_send(nodes, node, disk);
	struct qmp_bitmap bitmap;

	ret->go_count = ret->stay_count = 0;
	ret->go_bytes = 0;
	for (size_t i = 0; qmp_bitmap_get(nodes, node, i, &bitmap); i++) {
		if (!bitmap.is_persistent)
			continue;
		if (may_go && ret->go_count < MOVE_BITMAPS_MAX && bitmap.granularity &&
		    strlen(bitmap.name) <= NAME_MAX_BYTES) {
			ret->go[ret->go_count++] = bitmap;
			ret->go_bytes += counted_bytes(&bitmap, virtual_bytes);
		} else {
			ret->stay_count++;
		}
	}
	sums->go_count += ret->go_count;
	sums->go_bytes += ret->go_bytes;
	sums->stay_count += ret->stay_count;
}

/* ---- the copies ---------------------------------------------------------------------- */

static void copy_name(size_t number, char ret[COPY_NAME_SIZE])
{
	snprintf(ret, COPY_NAME_SIZE, MOVE_BITMAP_COPY "%zu", number);
}

static struct json_object *action(const char *type, struct json_object *data)
{
	struct json_object *obj = json_object_new_object();

	json_add_str(obj, "type", type);
	json_object_object_add(obj, "data", data);
	return obj;
}

static struct json_object *make(const char *node, const char *copy, const struct qmp_bitmap *of)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "node", node);
	json_add_str(args, "name", copy);
	json_add_uint(args, "granularity", of->granularity);
	json_add_bool(args, "disabled", !of->is_recording);
	return action("block-dirty-bitmap-add", args);
}

static struct json_object *fill(const char *node, const char *copy, const struct qmp_bitmap *of)
{
	struct json_object *args = json_object_new_object(), *from = json_object_new_array();

	json_add_str(args, "node", node);
	json_add_str(args, "target", copy);
	json_object_array_add(from, json_object_new_string(of->name));
	json_object_object_add(args, "bitmaps", from);
	return action("block-dirty-bitmap-merge", args);
}

static struct json_object *alias(const char *copy, const struct qmp_bitmap *of)
{
	struct json_object *obj = json_object_new_object(), *change = json_object_new_object();

	json_add_str(obj, "name", copy);
	json_add_str(obj, "alias", of->name);
	json_add_bool(change, "persistent", true);
	json_object_object_add(obj, "transform", change);
	return obj;
}

void move_bitmaps_add(const struct move_bitmaps *bitmaps, const char *node, const char *disk,
		      struct json_object *actions, struct json_object *mapping)
{
	struct json_object *of = json_object_new_object(), *list = json_object_new_array();
	char there[VM_DEF_ID_SIZE + 8];

	for (size_t i = 0; i < bitmaps->go_count; i++) {
		char copy[COPY_NAME_SIZE];

		copy_name(i, copy);
		json_object_array_add(actions, make(node, copy, &bitmaps->go[i]));
		json_object_array_add(actions, fill(node, copy, &bitmaps->go[i]));
		json_object_array_add(list, alias(copy, &bitmaps->go[i]));
	}
	plug_disk_node(there, sizeof(there), disk);
	json_add_str(of, "node-name", node);
	json_add_str(of, "alias", there);
	json_object_object_add(of, "bitmaps", list);
	json_object_array_add(mapping, of);
}

struct json_object *move_bitmaps_copy_left(struct json_object *nodes)
{
	for (size_t i = 0; i < json_count(nodes); i++) {
		const char *node = json_get_str(json_object_array_get_idx(nodes, i), "node-name");
		struct qmp_bitmap bitmap;

		for (size_t j = 0; node && qmp_bitmap_get(nodes, node, j, &bitmap); j++) {
			struct json_object *args;

			if (strncmp(bitmap.name, MOVE_BITMAP_COPY, strlen(MOVE_BITMAP_COPY)) != 0 ||
			    bitmap.is_persistent || bitmap.is_busy)
				continue;
			args = json_object_new_object();
			json_add_str(args, "node", node);
			json_add_str(args, "name", bitmap.name);
			return args;
		}
	}
	return NULL;
}
