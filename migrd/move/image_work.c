/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images of local disks: where a destination makes them, and the work on them, which may wait
 * for storage: a worker does it. */
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/disks.h"

#define TRY_AGAIN_NS 200000000

/* ---- where they are ------------------------------------------------------------ */

static const struct disk_copy *find_copy(const struct transfer_plan *plan, const char *disk)
{
	for (size_t i = 0; i < plan->disk_count; i++) {
		if (strcmp(plan->disks[i].id, disk) == 0)
			return &plan->disks[i];
	}
	return NULL;
}

static bool place(const struct storage_rules *rules, const struct transfer_plan *plan,
		  struct vm_def_disk *disk, struct err *err)
{
	const struct disk_copy *copy = find_copy(plan, disk->id);
	char path[VM_DEF_PATH_SIZE];

	if (!copy || copy->format != disk->format)
		return err_set(err, ERR_INVALID,
			       "disk '%s' is local to the source, and the transfer plan %s",
			       disk->id, copy ? "has another format of it" : "does not copy it");
	if (!storage_place(rules, disk->path, path, err))
		return err_wrap(err, "disk '%s'", disk->id);
	memcpy(disk->path, path, sizeof(disk->path));
	return true;
}

static bool place_firmware(const struct storage_rules *rules, const struct transfer_plan *plan,
			   struct vm_def_firmware *firmware, struct err *err)
{
	return place(rules, plan, &firmware->vars, err) &&
	       storage_place_firmware(rules, firmware->code, firmware->code, err) &&
	       (!firmware->vars_template[0] ||
		storage_place_firmware(rules, firmware->vars_template, firmware->vars_template,
				       err));
}

bool move_images_place(const struct moves *moves, const struct transfer_plan *plan,
		       struct vm_def *def, struct err *err)
{
	struct vm_def_firmware *firmware = &def->firmware;
	size_t count = 0;

	for (; vm_def_local_image(def, count); count++)
		;
	for (size_t i = 0; i < def->disk_count; i++) {
		if (vm_def_disk_is_local(&def->disks[i]) &&
		    !place(&moves->env.storage, plan, &def->disks[i], err))
			return false;
	}
	if (vm_def_has_firmware(def) && !place_firmware(&moves->env.storage, plan, firmware, err))
		return false;
	return count == plan->disk_count ||
	       err_set(err, ERR_INVALID, "the transfer plan copies disks that the guest has not");
}

/* ---- work on them ---------------------------------------------------------------- */

struct image_work {
	struct work work;
	struct moves *moves;
	char id[ID_UUID_SIZE];
	enum move_state state; /* in which it was begun */
	struct image_task task;
	const struct image_action *action;
	struct err err; /* of the first image with which something is wrong; not set: none */
};

static bool act(const struct image_work *image, size_t index, struct err *err)
{
	CLEANUP(free_charp) char *point = xasprintf("images.%s", image->action->name);

	return !fault_hit(point, err) && image->action->fn(&image->task, index, err);
}

/* Storage may be mended in a moment; then nothing is left behind. */
static bool act_until_done(const struct image_work *image, size_t index, struct err *err)
{
	static const struct timespec pause = { .tv_nsec = TRY_AGAIN_NS };

	for (unsigned i = 1; i < image->action->tries; i++) {
		if (act(image, index, err))
			return true;
		nanosleep(&pause, NULL);
	}
	return act(image, index, err);
}

static void run(struct work *work)
{
	struct image_work *image = (struct image_work *)work;

	for (size_t i = 0; i < image->task.count; i++) {
		struct err err;

		if (!act_until_done(image, i, &err) && !err_is_set(&image->err))
			image->err = err;
	}
}

static void go_on(struct move *move, const struct image_action *action, const struct err *err)
{
	if (err_is_set(err) && !action->part) {
		move_roll_back(move, err);
		return;
	}
	if (err_is_set(err))
		move_note(move, action->part, "%s", err->msg);
	move_parts_next(move);
}

static void done(struct work *work)
{
	struct image_work *image = (struct image_work *)work;
	struct move *move = moves_find(image->moves, image->id);
	CLEANUP(free_charp) char *point = xasprintf("images.%s.done", image->action->name);

	(void)fault_hit(point, &image->err); /* only to crash here */
	if (err_is_set(&image->err))
		log_warning("move", "image", "move=%s error=%s", image->id, image->err.msg);
	if (move && move->machine.state == image->state && !move->machine.is_saving)
		go_on(move, image->action, &image->err);
	free(image);
}

static void add_image(const struct move *move, struct image_task *task,
		      const struct vm_def_disk *disk)
{
	const struct disk_copy *copy = find_copy(move->plan, disk->id);

	if (!copy)
		return;
	task->copies[task->count] = *copy;
	memcpy(task->paths[task->count++], disk->path, sizeof(task->paths[0]));
}

static void list_images(const struct move *move, struct image_task *task)
{
	const struct vm_def *def = move_definition(move);
	const struct vm_def_disk *disk;

	for (size_t i = 0; def && (disk = vm_def_local_image(def, i)); i++)
		add_image(move, task, disk);
}

void move_images_work(struct move *move, const struct image_action *action)
{
	struct image_work *image = xnew(struct image_work);
	struct image_task *task = &image->task;

	image->work = (struct work){ .run = run, .done = done };
	image->moves = move->moves;
	memcpy(image->id, move->row.id, sizeof(image->id));
	image->state = move->machine.state;
	image->action = action;
	task->rules = &move->moves->env.storage;
	snprintf(task->move, sizeof(task->move), "%s", move->row.id);
	snprintf(task->peer, sizeof(task->peer), "%s", move->row.peer);
	if (action->list)
		action->list(move, task);
	else
		list_images(move, task);
	worker_submit(move->moves->imager, &image->work);
}

void move_images_undo(struct move *move, const struct image_action *action)
{
	if (move->verdict == VERDICT_REFUSED) {
		move_images_work(move, action);
		return;
	}
	move_note(move, action->part,
		  "what was made for the guest stays, and the marks beside it: it may have run here; "
		  "remove both when another host has it");
	move_parts_next(move);
}
