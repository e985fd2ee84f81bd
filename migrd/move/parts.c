/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a move, in the order in which a state asks them. */
#include "move/part.h"

#include "base/mem.h"
#include "move/priv.h"

static const struct move_part *const parts[] = {
	&move_part_disks, /* before memory: QEMU may end that by itself */
	&move_part_bitmaps,    &move_part_tpm,  &move_part_hold, /* what is before it goes on
								    meanwhile */
	&move_part_notice, /* so that the next that comes is the move */
	&move_part_ram,        &move_part_jobs, &move_part_media, &move_part_evidence,
	&move_part_virtqueues, /* what it finds is told with the evidence */
	&move_part_pace,
};

static bool has_part(const struct move *move, const struct move_part *part)
{
	return !part->wanted || part->wanted(move);
}

/* ---- phases ------------------------------------------------------------------ */

/* The next step of this phase; NULL: there is none. */
static move_part_step *next_step(struct move *move)
{
	struct move_cursor *cursor = &move->cursor;

	for (; cursor->part < ARRAY_LEN(parts); cursor->part++, cursor->step = 0) {
		const struct move_part *part = parts[cursor->part];
		move_part_step *const *steps = part->steps[move->side][cursor->phase];

		if (has_part(move, part) && cursor->step < MOVE_PART_STEPS_MAX &&
		    steps[cursor->step])
			return steps[cursor->step++];
	}
	return NULL;
}

void move_parts_next(struct move *move)
{
	move_part_step *step = next_step(move);

	if (step)
		step(move);
	else
		move->cursor.is_over = true;
	machine_step(&move->machine);
}

void move_parts_begin(struct move *move, enum move_phase phase)
{
	if (move->cursor.phase == phase)
		return;
	move->cursor = (struct move_cursor){ .phase = phase };
	move_parts_next(move);
}

bool move_parts_are_over(const struct move *move, enum move_phase phase)
{
	return move->cursor.phase == phase && move->cursor.is_over;
}

/* ---- on the way -------------------------------------------------------------- */

static enum move_part_progress progress_of(const struct move *move, const struct move_part *part)
{
	return part->progress && has_part(move, part) ? part->progress(move) : MOVE_PART_DONE;
}

static bool is_ready(const struct move *move, const struct move_part *part)
{
	return !part->is_ready || !has_part(move, part) || part->is_ready(move);
}

/* Starts the parts in their order, each when those before it are ready. */
static void start_more(struct move *move)
{
	while (move->parts_started < ARRAY_LEN(parts)) {
		const struct move_part *part = parts[move->parts_started];

		if (move->parts_started && !is_ready(move, parts[move->parts_started - 1]))
			return;
		move->parts_started++;
		if (part->start && has_part(move, part))
			part->start(move);
	}
}

void move_parts_start(struct move *move)
{
	move->parts_started = 0;
	start_more(move);
}

void move_parts_step(struct move *move)
{
	if (move->machine.state == MOVE_STATE_TRANSFER)
		start_more(move);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->step && has_part(move, parts[i]))
			parts[i]->step(move);
	}
}

void move_parts_settle(struct move *move)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i]->settle && has_part(move, parts[i]))
			parts[i]->settle(move);
		if (progress_of(move, parts[i]) < MOVE_PART_DONE)
			return;
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
