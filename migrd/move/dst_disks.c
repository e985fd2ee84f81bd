/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The destination of local disks: makes their images, lets the source's mirrors write to them, and
 * keeps or removes them. */
#include "base/mem.h"
#include "move/disks.h"
#include "move/src_priv.h"

/* Tries of what must not be left. */
#define END_TRIES 5

/* ---- before QEMU starts ---------------------------------------------------------- */

static bool make(const struct image_task *task, size_t index, struct err *err)
{
	return image_make_blocking(task->rules, &task->copies[index], task->paths[index],
				   task->move, err);
}

void move_dst_disks_make(struct move *move)
{
	static const struct image_action action = { "make", make, 1, NULL, NULL };

	move_images_work(move, &action);
}

/* ---- the mirrors write ------------------------------------------------------------- */

static void export_next(struct move *move);

static void on_exported(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		move_roll_back(move, err);
		return;
	}
	move->disks.begun++;
	export_next(move);
}

static void export_next(struct move *move)
{
	const struct disk_copy *disk = &move->plan->disks[move->disks.begun];
	struct json_object *args;
	char node[VM_DEF_ID_SIZE + 8];

	if (move->disks.begun == move->plan->disk_count) {
		move_parts_next(move);
		return;
	}
	plug_disk_node(node, sizeof(node), disk->id);
	args = json_object_new_object();
	json_add_str(args, "type", "nbd");
	json_add_str(args, "id", disk->id);
	json_add_str(args, "name", disk->id);
	json_add_str(args, "node-name", node);
	json_add_bool(args, "writable", true);
	move_qmp(move, "block-export-add", args, COMMAND_DEADLINE_MS, on_exported);
}

static void on_listening(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_roll_back(move, err);
	else
		export_next(move);
}

void move_dst_disks_serve(struct move *move)
{
	CLEANUP(free_charp) char *path = move_channel_path(move, TRANSFER_CHANNEL_DISKS);
	struct json_object *args = json_object_new_object();
	struct json_object *address = json_object_new_object();
	struct json_object *data = json_object_new_object();

	json_add_str(data, "path", path);
	json_add_str(address, "type", "unix");
	json_object_object_add(address, "data", data);
	json_object_object_add(args, "addr", address);
	move_qmp(move, "nbd-server-start", args, COMMAND_DEADLINE_MS, on_listening);
}

/* ---- the guest is ours ------------------------------------------------------------------ */

/* After a restart there may be no server any more.  Nobody writes to it then: the source has
 * ended its mirrors. */
static void on_closed(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "disks", "%s", err->msg);
	move_parts_next(move);
}

void move_dst_disks_close(struct move *move)
{
	move_qmp(move, "nbd-server-stop", NULL, COMMAND_DEADLINE_MS, on_closed);
}

/* ---- the end ------------------------------------------------------------------------------- */

static bool keep(const struct image_task *task, size_t index, struct err *err)
{
	return image_keep_blocking(task->paths[index], task->move, err);
}

void move_dst_disks_keep(struct move *move)
{
	static const struct image_action action = { "keep", keep, END_TRIES, "disks", NULL };

	move_images_work(move, &action);
}

static bool remove_made(const struct image_task *task, size_t index, struct err *err)
{
	return image_remove_blocking(task->paths[index], task->move, err);
}

void move_dst_disks_remove(struct move *move)
{
	static const struct image_action action = { "remove", remove_made, END_TRIES, "disks",
						    NULL };

	move_images_undo(move, &action);
}
