/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source finds out, in begin, what is to be copied of the guest's local disks: QEMU tells the
 * size, format and options of their images. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "move/bitmaps.h"
#include "move/disks.h"
#include "move/src_priv.h"
#include "qmp/block.h"

/* Fills RET with the name of the block node of a disk's image.  The guest's flash memory is no
 * device that query-block tells; its node has the name that the command line gave it. */
static bool find_node(struct json_object *blocks, const struct vm_def_disk *disk,
		      char ret[MOVE_NODE_SIZE])
{
	const char *node = qmp_block_node(blocks, disk->id);

	if (strcmp(disk->id, VM_DEF_VARS_ID) == 0)
		plug_disk_node(ret, MOVE_NODE_SIZE, disk->id);
	else
		snprintf(ret, MOVE_NODE_SIZE, "%s", node ? node : "");
	return ret[0] != '\0';
}

bool move_disk_left_behind(struct json_object *nodes, const char *node, size_t bitmaps,
			   const struct vm_def_disk *disk, bool remove, char ret_text[ERR_MSG_SIZE],
			   struct err *err)
{
	size_t snapshots, ignored;

	ret_text[0] = '\0';
	disk_copy_count_left(nodes, node, &snapshots, &ignored);
	if (!snapshots && !bitmaps)
		return true;
	if (remove)
		return err_set(err, ERR_CONFLICT,
			       "the image of disk '%s' has %zu snapshots and %zu bitmaps, which "
			       "are "
			       "not copied: delete them, or leave out remove_source_disks",
			       disk->id, snapshots, bitmaps);
	err_text(ret_text, "disk '%s': %zu snapshots and %zu bitmaps stay in its image here",
		 disk->id, snapshots, bitmaps);
	return true;
}

static bool note_left(struct move *move, struct json_object *nodes, size_t number,
		      const struct vm_def_disk *disk, struct err *err)
{
	struct move_bitmaps bitmaps;
	char text[ERR_MSG_SIZE];

	move_bitmaps_choose(nodes, move->begin.nodes[number], disk,
			    move->begin.disks[number].virtual_bytes, &move->begin.bitmap_sums,
			    &bitmaps);
	if (!move_disk_left_behind(nodes, move->begin.nodes[number], bitmaps.stay_count, disk,
				   move->options.remove_source_disks, text, err))
		return false;
	if (text[0])
		move_note(move, "left-behind", "%s", text);
	return true;
}

/* A copy that has the same backing file is made of the image alone.  QEMU knows no copy of some
 * images of a chain (a mirror copies the top one or all), so either there is one over the shared
 * backing file, or all is flattened. */
static void note_backing(struct move *move, const struct disk_copy *copy, const char *backing)
{
	if (copy->backing[0])
		move_note(move, "overlay", "disk '%s': only the image itself is copied, over '%s'",
			  copy->id, copy->backing);
	else if (*backing)
		move_note(move, "flattened",
			  "disk '%s': the copy has the content of '%s' too, and no backing file",
			  copy->id, backing);
}

static bool note_disk(struct move *move, struct json_object *nodes, size_t number,
		      const struct vm_def_disk *disk, struct err *err)
{
	struct disk_copy *copy = &move->begin.disks[number];
	const char *node = move->begin.nodes[number], *backing;

	if (!disk_copy_read(nodes, node, copy, &backing, err) ||
	    (disk->shared_base && !disk_copy_keep_backing(nodes, node, copy, err)))
		return err_wrap(err, "disk '%s'", disk->id);
	memcpy(copy->id, disk->id, sizeof(copy->id));
	if (!note_left(move, nodes, number, disk, err))
		return false;
	note_backing(move, copy, backing);
	return true;
}

/* Adds TEXT to *ALL, which has what the disks before say. */
static void add_reason(struct err *all, const struct err *one)
{
	if (err_is_set(all))
		err_set(all, all->code, "%s; %s", all->msg, one->msg);
	else
		*all = *one;
}

static void on_nodes(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm_def_disk *disk;
	struct err all = { 0 }, bad;
	size_t i = 0;

	move->begin.bitmap_sums = (struct move_bitmap_sums){ 0 };
	for (; !err && (disk = move_local_disk(move, i)); i++) {
		if (!note_disk(move, result, i, disk, &bad))
			add_reason(&all, &bad);
	}
	move->begin.disk_count = i;
	if (err || err_is_set(&all))
		move_roll_back(move, err ? err : &all);
	else
		move_parts_next(move);
}

static void on_blocks(struct move *move, struct json_object *result, const struct err *err)
{
	const struct vm_def_disk *disk;
	struct json_object *args;
	struct err bad;

	for (size_t i = 0; !err && (disk = move_local_disk(move, i)); i++) {
		if (!find_node(result, disk, move->begin.nodes[i])) {
			err_set(&bad, ERR_QEMU, "QEMU does not tell the image of disk '%s'",
				disk->id);
			err = &bad;
		}
	}
	if (err) {
		move_roll_back(move, err);
		return;
	}
	args = json_object_new_object();
	json_add_bool(args, "flat", true);
	move_qmp(move, "query-named-block-nodes", args, COMMAND_DEADLINE_MS, on_nodes);
}

void move_src_disks_look(struct move *move)
{
	move_qmp(move, "query-block", NULL, COMMAND_DEADLINE_MS, on_blocks);
}
