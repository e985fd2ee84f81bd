/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of the guest's TPM: QEMU sends it with the guest, but its directories are ours.  The
 * destination's is made empty and under a mark before QEMU starts; the source's is a copy of the
 * guest's keys, and goes when the guest runs on the destination. */
#include "move/disks.h"
#include "storage/tpm_state.h"
#include "vm/tpm.h"

#define END_TRIES 5

static bool is_wanted(const struct move *move)
{
	const struct vm_def *def = move_definition(move);

	return def && vm_def_has_tpm(def);
}

/* One directory: here, the first of the VM's two places. */
static void list(const struct move *move, struct image_task *task)
{
	snprintf(task->paths[0], sizeof(task->paths[0]), "%s/%s", move->moves->env.storage.tpm_dir,
		 move->row.vm_uuid);
	task->count = 1;
}

/* ---- destination ------------------------------------------------------------------- */

static bool make(const struct image_task *task, size_t index, struct err *err)
{
	return tpm_state_make_blocking(task->paths[index], task->move, err);
}

static void make_state(struct move *move)
{
	static const struct image_action action = { "tpm-make", make, 1, NULL, list };

	move_images_work(move, &action);
}

static bool sync_state(const struct image_task *task, size_t index, struct err *err)
{
	return tpm_state_sync_blocking(task->paths[index], err);
}

/* Before the source hears that the guest is here, and removes its own: swtpm (0.7.1) syncs
 * nothing. */
static void take_state(struct move *move)
{
	static const struct image_action action = { "tpm-sync", sync_state, 1, "tpm", list };

	move_images_work(move, &action);
}

static bool keep(const struct image_task *task, size_t index, struct err *err)
{
	return tpm_state_keep_blocking(task->paths[index], task->move, err);
}

static void keep_state(struct move *move)
{
	static const struct image_action action = { "tpm-keep", keep, END_TRIES, "tpm", list };

	move_images_work(move, &action);
}

static bool remove_made(const struct image_task *task, size_t index, struct err *err)
{
	return tpm_state_remove_blocking(task->paths[index], task->move, err);
}

static void remove_state(struct move *move)
{
	static const struct image_action action = { "tpm-remove", remove_made, END_TRIES, "tpm",
						    list };

	move_images_undo(move, &action);
}

/* ---- source ---------------------------------------------------------------------------- */

/* The VM may be in its second place, since a refresh. */
static void list_own(const struct move *move, struct image_task *task)
{
	const struct vm *vm = move_vm(move);
	CLEANUP(free_charp) char *path = vm ? vm_tpm_path(vm) : NULL;

	if (path)
		snprintf(task->paths[task->count++], sizeof(task->paths[0]), "%s", path);
}

static bool discard(const struct image_task *task, size_t index, struct err *err)
{
	return tpm_state_discard_blocking(task->paths[index], err);
}

static void discard_state(struct move *move)
{
	static const struct image_action action = { "tpm-discard", discard, END_TRIES, "tpm",
						    list_own };

	move_images_work(move, &action);
}

const struct move_part move_part_tpm = {
	.name = "tpm",
	.wanted = is_wanted,
	.steps = { [MOVE_SRC] = { [MOVE_PHASE_END] = { discard_state } },
		   [MOVE_DST] = { [MOVE_PHASE_PROVIDE] = { make_state },
				  [MOVE_PHASE_TAKE] = { take_state },
				  [MOVE_PHASE_END] = { keep_state },
				  [MOVE_PHASE_UNDO] = { remove_state } } },
};
