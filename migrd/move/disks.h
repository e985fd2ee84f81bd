/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* move/disks.h -- shared by the files that carry local disks: part_disks.c, src_disks.c,
 * dst_disks.c.  A disk is local if only one host has its image: the move copies it.
 * Thread: loop.
 */
#ifndef MIGRD_MOVE_DISKS_H
#define MIGRD_MOVE_DISKS_H

#include "cmdline/plug.h"
#include "move/priv.h"
#include "storage/image.h"

/* Names the mirror job of a disk, and the block node of its target. */
#define MOVE_MIRROR_NAME_SIZE (VM_DEF_ID_SIZE + 8)
void move_mirror_name(const char *disk_id, char ret[MOVE_MIRROR_NAME_SIZE]);

/* Adds a member KEY with that name. */
void move_disks_add_name(struct json_object *args, const char *key, const char *disk_id);
/* Source: what of the image of DISK, which is NODE of QEMU's nodes NODES, is not copied; BITMAPS
 * are those that stay.  True with RET_TEXT "" is nothing, else RET_TEXT says what.  CONFLICT: it is
 * there, and the image is to be removed. */
bool move_disk_left_behind(struct json_object *nodes, const char *node, size_t bitmaps,
			   const struct vm_def_disk *disk, bool remove, char ret_text[ERR_MSG_SIZE],
			   struct err *err);
/* The NUMBER-th (from 0) local disk of the definition, borrowed; NULL: there are fewer. */
const struct vm_def_disk *move_local_disk(const struct move *move, size_t number);

/* ---- the images: move/image_work.c -------------------------------------------- */

/* Destination: gives the local disks and the firmware of DEF, which is the source's, their paths
 * here.  INVALID: PLAN
 * does not copy just these disks, or a path is none; CONFLICT: a path is in none of the directories
 * for images. */
bool move_images_place(const struct moves *moves, const struct transfer_plan *plan,
		       struct vm_def *def, struct err *err);

/* A copy of what a worker needs. */
struct image_task {
	const struct storage_rules *rules;
	char move[ID_UUID_SIZE];
	char peer[ID_NAME_SIZE];
	struct disk_copy copies[VM_DEF_IMAGE_MAX];
	char paths[VM_DEF_IMAGE_MAX][VM_DEF_PATH_SIZE]; /* on this host */
	size_t count;
};
/* For the image INDEX.  Thread: a worker. */
typedef bool image_task_fn(const struct image_task *task, size_t index, struct err *err);
struct image_action {
	const char *name; /* fault points: images.NAME, before each image; images.NAME.done */
	image_task_fn *fn;
	unsigned tries;   /* with a short pause between */
	const char *part; /* the move goes on after an error, which is an entry PART of its
			   * timeline; NULL: an error rolls it back */
	/* Puts other paths than those of the local disks into the task.  NULL: those. */
	void (*list)(const struct move *move, struct image_task *task);
};
/* A step of a part: acts on the image of each local disk of the plan, or on what the action lists,
 * in the order in which such work is begun.  The error is that of the first image with which
 * something was wrong.  Nothing follows if the move has left its state meanwhile. */
void move_images_work(struct move *move, const struct image_action *action);
/* The same for what the destination has made, when its move is undone; not after its guest may have
 * run here, which may need it. */
void move_images_undo(struct move *move, const struct image_action *action);

/* ---- source: move/src_disks.c --------------------------------------------- */

/* Steps. */
void move_src_disks_clear(struct move *move); /* nothing of a copy is left */
void move_src_disks_put_aside(struct move *move);
/* Callbacks of the part. */
void move_src_disks_start(struct move *move);
bool move_src_disks_are_ready(const struct move *move);
void move_src_disks_step(struct move *move);
bool move_src_disks_event(struct move *move, const struct qmp_event *event);
void move_src_disks_settle(struct move *move);
/* Memory begins to be sent: what the guest writes to the firmware's variables from now on fails
 * the move. */
void move_src_disks_note_vars(struct move *move);
enum move_part_progress move_src_disks_progress(const struct move *move);

/* ---- source: move/src_disks_look.c ------------------------------------------- */

/* A step: gathers move->begin.disks for the plan. */
void move_src_disks_look(struct move *move);

/* ---- source: move/src_disks_pace.c ------------------------------------------- */

/* Notes how fast disks are copied; called each time that QEMU has told how far they are. */
void move_disks_note_rate(struct move *move);
/* In transfer, again and again: of a guest that writes faster than its disks are copied, tells it
 * or, with auto_converge, limits the writes. */
void move_disks_keep_pace(struct move *move);
/* QEMU waits until what its mirrors have under way is written: not for a limit of the bandwidth. */
void move_disks_lift_limit(struct move *move);
void move_disks_restore_limit(struct move *move); /* it does not wait any more */
/* The arguments of block_set_io_throttle for what qmp_block_device() tells; 0: no limit.  The
 * group's name tells that the limit is ours. */
struct json_object *move_disks_limit(const char *device, const char *disk_id, uint64_t bytes_per_s);

/* ---- source: move/src_disks_clear.c ------------------------------------------ */

void move_src_disks_step_clear(struct move *move);

/* ---- destination: move/dst_disks.c ------------------------------------------ */

/* Steps. */
void move_dst_disks_make(struct move *move);   /* the images */
void move_dst_disks_serve(struct move *move);  /* QEMU's NBD server, which the mirrors write to */
void move_dst_disks_close(struct move *move);  /* that server */
void move_dst_disks_keep(struct move *move);   /* the images are the guest's */
void move_dst_disks_remove(struct move *move); /* the images that this move made */

#endif
