/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Activates the disks of a guest that arrived here and has not run since.
 *
 * With `late-block-activate' only `cont' takes the images, so nobody holds the locks of a
 * guest that stays paused, and QEMU before 10.0 ends at an assertion when such a guest is
 * migrated (block.c, bdrv_inactivate_recurse).  So a guest that does not run gets its
 * images before the move begins: by blockdev-set-active, since 10.0, and before that by an
 * export of each tree of nodes to nobody, which activates it (block/export/export.c,
 * blk_exp_add) and never runs the guest.  The graph of nodes tells whether this is needed and
 * whether it worked; if it did not, the move ends before the other host has heard of it. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "qmp/block.h"

static void ask_graph(struct move *move, move_answer_fn *fn)
{
	move_qmp(move, "x-debug-query-block-graph", NULL, COMMAND_DEADLINE_MS, fn);
}

static void on_graph_after(struct move *move, struct json_object *result, const struct err *err)
{
	bool is_inactive = true;

	if (!err)
		json_object_put(qmp_block_roots(result, &is_inactive));
	if (!is_inactive) {
		move_note(move, "images", "taken for a guest that has not run here");
		move_parts_next(move);
		return;
	}
	move_give_up(move, ERR_CONFLICT,
		     "the guest arrived here without running, and its disks cannot be taken for "
		     "another move: somebody else may hold an image; resume the guest first, or "
		     "end what holds it");
}

/* ---- before 10.0: an export of each tree ---------------------------------- */

static void export_next(struct move *move);

static void on_server_stopped(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "images", "%s", err->msg);
	ask_graph(move, on_graph_after);
}

static void on_unexported(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* if the export failed there is none; the graph is looked at again */
	move->begin.image++;
	export_next(move);
}

static void unexport(struct move *move, move_answer_fn *fn)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "id", MOVE_EXPORT_ID);
	json_add_str(args, "mode", "hard");
	move_qmp(move, "block-export-del", args, COMMAND_DEADLINE_MS, fn);
}

static void on_exported(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_note(move, "images", "%s", err->msg);
	unexport(move, on_unexported);
}

static void export_next(struct move *move)
{
	struct json_object *name = json_object_array_get_idx(move->begin.images, move->begin.image);
	struct json_object *args;

	if (!name) {
		if (move->facts.nbd_is_ours)
			move_qmp(move, "nbd-server-stop", NULL, COMMAND_DEADLINE_MS,
				 on_server_stopped);
		else
			ask_graph(move, on_graph_after);
		return;
	}
	args = json_object_new_object();
	json_add_str(args, "type", "nbd");
	json_add_str(args, "id", MOVE_EXPORT_ID);
	json_object_object_add(args, "node-name", json_object_get(name));
	json_add_bool(args, "writable", false);
	move_qmp(move, "block-export-add", args, COMMAND_DEADLINE_MS, on_exported);
}

/* The export of an earlier try that a crash ended is removed, if there is one. */
static void on_former_unexported(struct move *move, struct json_object *result,
				 const struct err *err)
{
	(void)result;
	(void)err;
	export_next(move);
}

static void on_server_started(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	move->facts.nbd_is_ours = !err; /* somebody else's server is as good, and stays */
	unexport(move, on_former_unexported);
}

static void start_server(struct move *move)
{
	CLEANUP(free_charp) char *dir = move_dir(move);
	CLEANUP(free_charp) char *path = xasprintf("%s/images.sock", dir);
	struct json_object *args, *addr, *data;
	struct err err;

	if (!dir_make(dir, 0700, &err)) {
		move_roll_back(move, &err);
		return;
	}
	args = json_object_new_object();
	addr = json_object_new_object();
	data = json_object_new_object();
	json_add_str(data, "path", path);
	json_add_str(addr, "type", "unix");
	json_object_object_add(addr, "data", data);
	json_object_object_add(args, "addr", addr);
	move_qmp(move, "nbd-server-start", args, COMMAND_DEADLINE_MS, on_server_started);
}

/* ---- since 10.0 ------------------------------------------------------------- */

/* Only a QEMU without this command gets the export.  After any other refusal there is no
 * second try: after one by an image's format layer it would leave the guest without the
 * disk. */
static void on_set_active(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err && err->code == ERR_QEMU && strstr(err->msg, "has not been found"))
		start_server(move);
	else
		ask_graph(move, on_graph_after);
}

static void on_graph(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *args;
	bool is_inactive = false;

	if (err) {
		move_roll_back(move, err);
		return;
	}
	json_object_put(move->begin.images);
	move->begin.images = qmp_block_roots(result, &is_inactive);
	move->begin.image = 0;
	if (!is_inactive) {
		move_parts_next(move);
		return;
	}
	args = json_object_new_object();
	json_add_bool(args, "active", true);
	move_qmp(move, "blockdev-set-active", args, COMMAND_DEADLINE_MS, on_set_active);
}

void move_images_activate(struct move *move)
{
	const struct qemu *qemu = move_qemu(move);

	if (qemu && qemu_run_state(qemu) == QMP_RUN_RUNNING)
		move_parts_next(move); /* its `cont' has taken the images */
	else
		ask_graph(move, on_graph);
}
