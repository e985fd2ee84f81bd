/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A background snapshot of a guest with disks: their copies are made while the guest runs, by a
 * mirror job of QEMU for each.
 *
 * When all are the same, the guest is stopped, the mirrors end, and QEMU is told to write the
 * memory of a guest that stands still (save/out_disks_end.c).  So memory and copies are of one
 * moment, and nothing that befalls a copy reaches the guest's own disk: a mirror only reads it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "qmp/block.h"
#include "save/priv.h"

#define BUFFER_SIZE UINT64_C(16777216) /* under way for each copy, as QEMU's own number */

void save_mirror_name(const char *disk_id, char ret[SAVE_MIRROR_NAME_SIZE])
{
	snprintf(ret, SAVE_MIRROR_NAME_SIZE, VM_DEF_OWN_PREFIX "%s", disk_id);
}

static const struct save_disk *disk_of(const struct save *save, size_t number)
{
	return &save->detail.head.disks[number];
}

void save_disks_fail(struct save *save, const char *disk, const char *why)
{
	struct err err;

	err_set(&err, ERR_QEMU, "disk '%s' cannot be copied: %s", disk, why);
	save_fail(save, &err);
}

/* ---- what QEMU says of the images ----------------------------------------------------- */

static bool read_image(struct save *save, size_t number, struct json_object *nodes, struct err *err)
{
	struct disk_copy *made = &save->disks->made[number];
	const char *node = save->disks->nodes[number], *id = disk_of(save, number)->id, *backing;
	struct vm *vm = save_vm(save);
	const struct vm_def *def = vm ? vm_def_of(vm, err) : NULL;
	bool keeps = false;

	for (size_t i = 0; def && i < def->disk_count; i++)
		keeps |= strcmp(def->disks[i].id, id) == 0 && def->disks[i].shared_base;
	if (!disk_copy_read(nodes, node, made, &backing, err) ||
	    (keeps && !disk_copy_keep_backing(nodes, node, made, err)))
		return err_wrap(err, "disk '%s'", id);
	snprintf(made->id, sizeof(made->id), "%s", id);
	return true;
}

static bool make_copies(struct save_task *task, struct err *err)
{
	return save_copies_make_blocking(task->qemu_img, &task->head, task->made, err);
}

static void begin_mirror(struct save *save);

/* What came while the worker was at work is looked at by the state (save_out_step_transfer()). */
bool save_disks_may_go_on(struct save *save, const struct err *err)
{
	if (err)
		save_fail(save, err);
	else if (save->is_cancelled || !save_qemu(save))
		machine_step(&save->machine);
	else
		return true;
	return false;
}

static void on_made(struct save *save, struct save_task *task, const struct err *err)
{
	(void)task;
	if (save_disks_may_go_on(save, err))
		begin_mirror(save);
}

static void on_nodes(struct save *save, struct json_object *result, const struct err *err)
{
	struct err bad;

	for (size_t i = 0; !err && i < save->detail.head.disk_count; i++) {
		if (!read_image(save, i, result, &bad))
			err = &bad;
	}
	if (err)
		save_fail(save, err);
	else
		save_work(save, make_copies, on_made);
}

static bool find_nodes(struct save *save, struct json_object *blocks)
{
	for (size_t i = 0; i < save->detail.head.disk_count; i++) {
		const char *id = disk_of(save, i)->id;

		if (!save_disks_node(blocks, id, save->disks->nodes[i])) {
			save_disks_fail(save, id, "QEMU does not tell its image");
			return false;
		}
	}
	return true;
}

void save_disks_begin(struct save *save, struct json_object *blocks)
{
	struct json_object *args;

	if (!save->detail.head.disk_count) {
		save_begin_migration(save);
		return;
	}
	save->disks = xnew(struct save_disks);
	if (!find_nodes(save, blocks))
		return;
	args = json_object_new_object();
	json_add_bool(args, "flat", true);
	save_ask(save, "query-named-block-nodes", args, on_nodes);
}

/* ---- the mirrors begin ------------------------------------------------------------------ */

static void on_begun(struct save *save, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err) {
		save_disks_fail(save, disk_of(save, save->disks->at)->id, err->msg);
		return;
	}
	save->disks->at++;
	begin_mirror(save);
}

static void on_target(struct save *save, struct json_object *result, const struct err *err)
{
	size_t at = save->disks->at;
	char name[SAVE_MIRROR_NAME_SIZE];
	struct json_object *args;

	if (err) {
		on_begun(save, result, err);
		return;
	}
	save_mirror_name(disk_of(save, at)->id, name);
	args = json_object_new_object();
	json_add_str(args, "job-id", name);
	json_add_str(args, "device", save->disks->nodes[at]);
	json_add_str(args, "target", name);
	json_add_str(args, "sync", save->disks->made[at].backing[0] ? "top" : "full");
	json_add_str(args, "copy-mode", "background");
	json_add_uint(args, "buf-size", BUFFER_SIZE);
	json_add_bool(args, "auto-dismiss", false);
	save_ask(save, "blockdev-mirror", args, on_begun);
}

/* {"driver": "qcow2", "node-name": "migrd-vda", "file": {"driver": "file", "filename": COPY}} */
static struct json_object *target(const struct save *save, size_t at)
{
	struct json_object *args = json_object_new_object(), *file = json_object_new_object();
	char name[SAVE_MIRROR_NAME_SIZE];

	save_mirror_name(disk_of(save, at)->id, name);
	json_add_str(args, "driver", vm_def_disk_format_names[save->disks->made[at].format]);
	json_add_str(args, "node-name", name);
	/* Zeroes take no room. */
	json_add_str(args, "discard", "unmap");
	json_add_str(args, "detect-zeroes", "unmap");
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", disk_of(save, at)->copy);
	json_add_str(file, "discard", "unmap");
	json_object_object_add(args, "file", file);
	return args;
}

static void begin_mirror(struct save *save)
{
	if (save->disks->at < save->detail.head.disk_count) {
		save_ask(save, "blockdev-add", target(save, save->disks->at), on_target);
		return;
	}
	save->disks->phase = SAVE_DISKS_COPY;
	save->disks->since_ms = loop_now_ms(save->saves->env.loop);
	save_look_later(save, 0);
}
