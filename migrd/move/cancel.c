/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cancel is on disk before QEMU hears of it: QEMU says only that its migration was cancelled, and a
 * coordinator that is restarted then would call that a failure.
 *
 * It does not wait for a disk that is full or slow: the guest, which may stand still, comes first. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "move/priv.h"
#include "move/src_priv.h"

#define RECORD_MAX_MS 1000

/* The record of a cancel, on its way to the disk. */
struct record {
	struct moves *moves;
	char id[ID_UUID_SIZE];
};

static void on_recorded(void *data, const struct err *err)
{
	struct record *record = data;
	struct move *move = moves_find(record->moves, record->id);

	free(record);
	if (!move)
		return;
	if (err)
		move_note(move, "cancel-unrecorded", "%s", err->msg);
	move->facts.cancel_recording = move->facts.cancel_unrecorded = false;
	machine_step(&move->machine);
}

static void write_record(struct move *move)
{
	struct record *record = xnew(struct record);

	record->moves = move->moves;
	memcpy(record->id, move->row.id, sizeof(record->id));
	move->facts.cancel_recording = true;
	machine_save_for(&move->machine, on_recorded, record);
}

void move_src_note_cancel(struct move *move)
{
	if (move->facts.cancel_requested)
		return;
	move->facts.cancel_unrecorded = true;
	move->facts.cancel_asked_ms = loop_now_ms(move->moves->env.loop);
}

bool move_src_may_cancel_qemu(struct move *move)
{
	uint64_t waited_ms = loop_now_ms(move->moves->env.loop) - move->facts.cancel_asked_ms;

	if (!move->facts.cancel_unrecorded || waited_ms >= RECORD_MAX_MS)
		return true;
	if (!move->facts.cancel_recording && !move->machine.is_saving)
		write_record(move);
	return false;
}
