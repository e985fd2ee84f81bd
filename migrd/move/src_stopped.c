/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The source of a stopped VM: a QEMU whose guest never runs is started for the move, and ends with
 * it.  The VM's intent stays `stopped', so a coordinator that finds this QEMU without a move ends
 * it. */
#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"
#include "vm/memory.h"
#include "vm/taps.h"

/* The answers may come when the move has gone on. */
struct launch {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

/* Frees LAUNCH.  NULL: the move does not wait for it any more. */
static struct move *move_of_launch(struct launch *launch)
{
	struct move *move = moves_find(launch->moves, launch->id);

	free(launch);
	if (!move || (move->machine.state == MOVE_STATE_BEGIN && !move->machine.is_saving))
		return move;
	machine_step(&move->machine); /* a rollback waits for the end of this QEMU */
	return NULL;
}

static struct launch *launch_of(struct move *move)
{
	struct launch *launch = xnew(struct launch);

	launch->moves = move->moves;
	memcpy(launch->id, move->row.id, sizeof(launch->id));
	return launch;
}

static void fail(struct move *move, const struct err *why)
{
	struct err err = *why;

	err_wrap(&err, "the QEMU that sends the stopped VM");
	move_roll_back(move, &err);
}

static void on_launched(void *data, const struct err *err)
{
	struct move *move = move_of_launch(data);

	if (!move)
		return;
	if (err) {
		fail(move, err);
		return;
	}
	move->facts.qemu_launched = true;
	move_note(move, "launched", "QEMU is there for the move, and the guest does not run");
	move_parts_begin(move, MOVE_PHASE_CHECK);
}

static void on_memory(void *data, const struct err *err)
{
	struct move *move = move_of_launch(data);

	if (move && err)
		fail(move, err);
	else if (move)
		vm_launch_stopped(move_vm(move), on_launched, launch_of(move));
}

static void on_taps(void *data, const struct err *err)
{
	struct move *move = move_of_launch(data);
	struct launch *launch;

	if (move && err)
		fail(move, err);
	if (!move || err)
		return;
	launch = launch_of(move);
	if (!vm_memory_check(move_vm(move), on_memory, launch))
		on_memory(launch, NULL);
}

void move_src_launch(struct move *move)
{
	struct launch *launch = launch_of(move);

	if (!vm_taps_check_start(move_vm(move), on_taps, launch))
		on_taps(launch, NULL);
}

bool move_src_is_launching(const struct move *move)
{
	return move->facts.stopped && !move->facts.qemu_launched;
}

void move_src_end_stopped(struct move *move)
{
	if (move->facts.quit_sent)
		return;
	move->facts.quit_sent = true;
	qemu_quit(move_qemu(move));
}
