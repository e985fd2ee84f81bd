/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source before anything happens: what would stop the move later is asked for
 * now, one row after another.  Until the last row the other host knows nothing. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "move/priv.h"
#include "move/src.h"
#include "move/src_priv.h"

/* Reasons for which QEMU will not migrate this guest (qapi/migration.json,
 * blocked-reasons). */
static void on_blockers(struct move *move, struct json_object *result, const struct err *err)
{
	struct json_object *reasons =
		err ? NULL : json_object_object_get(result, "blocked-reasons");
	struct err blocked;

	if (err) {
		move_roll_back(move, err);
	} else if (reasons && json_object_is_type(reasons, json_type_array) &&
		   json_object_array_length(reasons) > 0) {
		err_set(&blocked, ERR_QEMU, "QEMU cannot migrate this guest: %s",
			json_object_get_string(json_object_array_get_idx(reasons, 0)));
		move_roll_back(move, &blocked);
	} else {
		move_src_begin_next(move);
	}
}

static void ask_blockers(struct move *move)
{
	move_qmp(move, "query-migrate", NULL, COMMAND_DEADLINE_MS, on_blockers);
}

static void on_set(struct move *move, struct json_object *result, const struct err *err)
{
	(void)result;
	if (err)
		move_roll_back(move, err);
	else
		move_src_begin_next(move);
}

static void set_capabilities(struct move *move)
{
	move_plan_set_capabilities(move, on_set);
}

static void set_parameters(struct move *move)
{
	move_qmp(move, "migrate-set-parameters", move_src_parameters(move), COMMAND_DEADLINE_MS,
		 on_set);
}

/* Before 9.0 TCG does not see all that a running guest writes between two passes
 * (findings/tcg-before-9.0-loses-writes-in-a-live-move.sh); KVM does. */
static void note_lost_writes(struct move *move)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(vm_definition(move_vm(move)));
	const struct qemu *qemu = move_qemu(move);
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;
	const char *accel = json_get_str(def, "accel");

	if (accel && strcmp(accel, "tcg") == 0 && version && version->major < 9) {
		move_note(move, "may-lose-writes",
			  "QEMU %d.%d without KVM may lose what a guest writes while it is moved: "
			  "pause it first, or use QEMU 9.0",
			  version->major, version->minor);
		log_warning("move", "may-lose-writes", "move=%s vm=%s qemu=%d.%d accel=tcg",
			    move->row.id, move->row.vm_name, version->major, version->minor);
	}
	move_src_begin_next(move);
}

static void (*const rows[])(struct move *move) = {
	ask_blockers,          /* what QEMU itself says */
	move_block_jobs_check, /* what works on the disks and would end with this QEMU */
	move_bitmaps_note,     /* what the move loses */
	note_lost_writes,      /* the same, of the memory */
	move_images_activate,  /* a guest that arrived without running */
	move_media_check,      /* what its drives are now */
	move_same_gather,      /* what the guest uses, for the destination to compare */
	move_plan_make,        /* how it will go */
	set_capabilities,      set_parameters,
};

void move_src_begin_next(struct move *move)
{
	if (move->begin.row < ARRAY_LEN(rows))
		rows[move->begin.row++](move);
	else
		move->facts.qemu_prepared = true;
	machine_step(&move->machine);
}

void move_src_enter_begin(struct machine *machine)
{
	struct move *move = move_of(machine);

	peer_warm(move->moves->env.peers, move->row.peer);
	move->begin.row = 0;
	move_src_begin_next(move);
}

void move_src_step_begin(struct machine *machine)
{
	struct move *move = move_of(machine);

	if (move_src_roll_back_if_asked(move) || move_src_roll_back_if_gone(move))
		return;
	if (move->facts.qemu_prepared)
		machine_go_to(&move->machine, &(struct machine_change){ .to = MOVE_STATE_PREPARE });
	else if (!move_same_is_late(move))
		move_block_jobs_step(move);
	else
		move_give_up(move, ERR_TIMEOUT,
			     "the storage of the guest's images did not answer in time: mend it, "
			     "and try again");
}
