/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a move, in the order in which a state asks them. */
#include "move/part.h"

#include "base/mem.h"
#include "move/priv.h"

static const struct move_part *const parts[] = {
	&move_part_ram,
	&move_part_disks,
	&move_part_media,
	&move_part_evidence,
};

static bool has_part(const struct move *move, const struct move_part *part)
{
	return !part->wanted || part->wanted(move);
}

/* ---- getting ready --------------------------------------------------------- */

/* The next step of this phase; NULL: the phase is over. */
static move_part_step *next_step(struct move *move)
{
	struct move_cursor *cursor = &move->cursor;

	for (; cursor->part < ARRAY_LEN(parts); cursor->part++, cursor->step = 0) {
		const struct move_part *part = parts[cursor->part];
		move_part_step *const *steps =
			(cursor->is_preparing ? part->prepare : part->check)[move->side];

		if (has_part(move, part) && cursor->step < MOVE_PART_STEPS_MAX &&
		    steps[cursor->step])
			return steps[cursor->step++];
	}
	return NULL;
}

static void prepare_qemu(struct move *move)
{
	move->cursor = (struct move_cursor){ .is_preparing = true };
	if (move->side == MOVE_SRC)
		move_plan_make(move);
	else
		move_parts_next(move);
}

void move_parts_next(struct move *move)
{
	move_part_step *step = next_step(move);

	if (step)
		step(move);
	else if (!move->cursor.is_preparing)
		prepare_qemu(move);
	else
		move->facts.qemu_prepared = true;
	machine_step(&move->machine);
}

void move_parts_prepare(struct move *move)
{
	move->cursor = (struct move_cursor){ 0 };
	move_parts_next(move);
}

/* ---- on the way -------------------------------------------------------------- */

void move_parts_start(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->start && has_part(move, parts[i]))
			parts[i]->start(move);
	}
}

void move_parts_step(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->step && has_part(move, parts[i]))
			parts[i]->step(move);
	}
}

bool move_parts_event(struct move *move, const struct qmp_event *event)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->event && has_part(move, parts[i]) && parts[i]->event(move, event))
			return true;
	}
	return false;
}

static enum move_part_progress progress_of(const struct move *move, const struct move_part *part)
{
	return part->progress && has_part(move, part) ? part->progress(move) : MOVE_PART_DONE;
}

enum move_part_progress move_parts_progress(const struct move *move)
{
	enum move_part_progress least = MOVE_PART_DONE;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		enum move_part_progress progress = progress_of(move, parts[i]);

		if (progress < least)
			least = progress;
	}
	return least;
}

void move_parts_cancel(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->cancel && has_part(move, parts[i]))
			parts[i]->cancel(move);
	}
}

void move_parts_give_up(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (progress_of(move, parts[i]) == MOVE_PART_BROKEN) {
			parts[i]->give_up(move);
			return;
		}
	}
}

void move_parts_tidy(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->tidy && has_part(move, parts[i]))
			parts[i]->tidy(move);
	}
}
