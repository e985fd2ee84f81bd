/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A background snapshot of a guest whose firmware keeps variables in flash memory.
 *
 * QEMU sends flash memory with the guest's memory; it is a ROM device that its model fills
 * (hw/block/pflash_cfi01.c), and QEMU is not relied on to write-protect that.  So what the guest
 * programs while its memory is written could be in the file, or half of it, and not in the copy of
 * its image, over which QEMU writes its flash memory when the guest is restored.  Such a write
 * reaches the image at once: a dirty bitmap of QEMU, made while the guest stands still, tells of
 * it, and the save fails. */
#include <string.h>

#include "cmdline/plug.h"
#include "save/priv.h"

#define BITMAP VM_DEF_OWN_PREFIX "written"

static bool has_vars(const struct save *save)
{
	size_t count = save->detail.head.disk_count;

	return count && strcmp(save->detail.head.disks[count - 1].id, VM_DEF_VARS_ID) == 0;
}

static struct json_object *bitmap_args(void)
{
	struct json_object *args = json_object_new_object();
	char node[SAVE_NODE_SIZE];

	plug_disk_node(node, sizeof(node), VM_DEF_VARS_ID);
	json_add_str(args, "node", node);
	json_add_str(args, "name", BITMAP);
	return args;
}

static void on_watched(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		save_fail(save, err);
	else
		save_begin_migration(save);
}

void save_vars_watch(struct save *save)
{
	if (has_vars(save))
		save_ask(save, "block-dirty-bitmap-add", bitmap_args(), on_watched);
	else
		save_begin_migration(save);
}

/* [{"node-name": NODE, "dirty-bitmaps": [{"name": BITMAP, "count": BYTES}]}]; -1: no such bitmap.
 */
static int64_t written_bytes(struct json_object *nodes)
{
	char node[SAVE_NODE_SIZE];

	plug_disk_node(node, sizeof(node), VM_DEF_VARS_ID);
	for (size_t i = 0; i < json_count(nodes); i++) {
		struct json_object *one = json_object_array_get_idx(nodes, i), *bitmaps;
		const char *name = json_get_str(one, "node-name");

		if (!name || strcmp(name, node) != 0)
			continue;
		bitmaps = json_object_object_get(one, "dirty-bitmaps");
		for (size_t k = 0; k < json_count(bitmaps); k++) {
			struct json_object *bitmap = json_object_array_get_idx(bitmaps, k);
			const char *is = json_get_str(bitmap, "name");

			if (is && strcmp(is, BITMAP) == 0)
				return json_get_int(bitmap, "count", -1);
		}
	}
	return -1;
}

static void on_removed(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		save_fail(save, err);
		return;
	}
	save->disks->are_vars_right = true;
	save_look_later(save, 0);
}

static void on_nodes(struct save *save, struct json_object *result, const struct err *err)
{
	int64_t written = err ? -1 : written_bytes(result);
	struct err bad;

	if (written == 0) {
		save_vars_let_be(save, on_removed);
		return;
	}
	err_set(&bad, ERR_BUSY, "%s: save it again",
		err           ? err->msg
		: written < 0 ? "somebody has removed migrd's bitmap of the firmware's variables"
			      : "the guest wrote to the variables of its firmware while its memory "
				"was written");
	save_fail(save, &bad);
}

bool save_vars_are_right(struct save *save)
{
	struct json_object *args;

	if (!has_vars(save) || save->disks->are_vars_right)
		return true;
	args = json_object_new_object();
	json_add_bool(args, "flat", true);
	save_ask(save, "query-named-block-nodes", args, on_nodes);
	return false;
}

void save_vars_let_be(struct save *save, save_answer_fn *fn)
{
	save_ask(save, "block-dirty-bitmap-remove", bitmap_args(), fn);
}
